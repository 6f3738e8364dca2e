"""Scores of methods on labelled sequences and under disturbances."""
