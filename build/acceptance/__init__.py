"""Which variants a bundle gets: compared with FP32, judged and reported."""
