"""Selection of a bundle's variants: comparison with FP32, verdict and report."""
