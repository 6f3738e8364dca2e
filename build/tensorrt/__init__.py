"""Compiling ONNX networks with TensorRT and TensorRT for RTX."""
