"""Training, export and packing of the two networks; needs the extra `build`, and the runtime never imports it."""
