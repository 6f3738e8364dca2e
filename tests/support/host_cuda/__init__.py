"""A CUDA driver in host memory, under which the real pycuda and cuda-bindings run edgefg's code without a GPU.

It is a ``libcuda.so.1`` that knows the driver's rules: which thread has which context, what orders streams and events,
what may be captured, who owns which memory. Kernels run on the CPU. It shows no speed, and no fault of a GPU, of
NVIDIA's driver or of TensorRT. ``HOST_CUDA_RUNS`` says when streams do their work; see ``driver/streams.cpp``.
"""
