"""Export to ONNX, and what an exported network computes."""
