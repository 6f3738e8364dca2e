"""Images as arrays: reading, converting, scaling and drawing."""
