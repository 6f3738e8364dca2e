"""Cameras, each read by a thread of its own that keeps the newest frame and reconnects indefinitely."""
