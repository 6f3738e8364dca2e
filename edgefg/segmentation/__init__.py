"""The core: from one frame to one mask, in your own thread or in a pipeline."""
