"""Compilation of ONNX networks with TensorRT and TensorRT for RTX."""
