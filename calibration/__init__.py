"""Which pairs of frames set the ranges of INT8 networks, what these ranges are, and the record of both."""
