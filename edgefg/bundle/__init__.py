"""Bundles: folders with the networks and their manifest, and checks that they fit a device."""
