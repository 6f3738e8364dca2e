"""Small tools that know nothing of networks or cameras: files, progress, addresses, the CPU."""
