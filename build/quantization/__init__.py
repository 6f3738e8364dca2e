"""INT8 by explicit Q/DQ nodes, and the variants of a pair of networks."""
