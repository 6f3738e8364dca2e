"""TensorRT on a GPU: plans, memory and streams."""
