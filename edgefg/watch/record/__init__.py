"""Recorded clips of ``edgefg watch``."""
