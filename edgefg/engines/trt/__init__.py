"""Plans, memory and streams of TensorRT on a GPU."""
