"""Bundles: the networks with all that explains them, and whether they fit a device."""
