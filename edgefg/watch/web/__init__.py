"""The live page of ``edgefg watch``: server, access, viewers and metrics."""
