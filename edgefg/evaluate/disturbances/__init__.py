"""``edgefg evaluate --suite background``: what befalls a camera in weeks, in seconds, and how methods bear it."""
