"""Small utilities that are independent of networks and cameras: files, progress, addresses and the CPU."""
