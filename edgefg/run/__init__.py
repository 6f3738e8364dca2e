"""Segmenting recorded videos and images into files: ``edgefg run`` and ``edgefg demo``."""
