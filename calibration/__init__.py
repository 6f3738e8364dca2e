"""Calibration of INT8 networks: the sample of pairs, the ranges measured on it, and the record of both."""
