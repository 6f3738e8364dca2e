"""Labelled data sets: sequences, layouts, labels, splits and backgrounds."""
