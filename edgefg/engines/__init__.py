"""Inference engines: one module for each backend, behind one protocol."""
