"""Video files and images in and out, and where results may be written."""
