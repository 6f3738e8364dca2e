"""Which (background, frame) pairs represent a camera, for calibrating INT8 engines."""
