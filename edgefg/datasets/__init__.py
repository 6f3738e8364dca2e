"""Labelled datasets: sequences, layouts, labels, splits and backgrounds."""
