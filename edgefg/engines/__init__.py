"""Inference engines, with one module per backend behind one protocol."""
