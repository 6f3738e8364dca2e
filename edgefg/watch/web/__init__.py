"""The live page of ``edgefg watch``: server, access, viewers and metrics. It reads the state of a watch."""
