"""``edgefg stress-test``: in seconds, the disturbances that befall a camera in weeks, and how methods bear them."""
