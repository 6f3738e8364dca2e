"""Images as arrays: reading, conversion, scaling and drawing."""
