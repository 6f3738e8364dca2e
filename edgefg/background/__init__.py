"""The background of a camera: you set it, and a model keeps it up to date."""
