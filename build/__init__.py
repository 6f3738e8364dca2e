"""Training, export and packing of the two networks. Needs the extra `build`; the runtime never imports it."""
