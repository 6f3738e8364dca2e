"""Export to ONNX, and simulation of exported networks."""
