"""The background of a camera: what users set, and what a model keeps right."""
