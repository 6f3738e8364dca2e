"""The two networks, their sizes, and their weights on disk."""
