"""Cameras, each read by its own thread, which keeps the newest frame and reconnects indefinitely."""
