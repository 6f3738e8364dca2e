"""Recorded videos of ``edgefg watch``."""
