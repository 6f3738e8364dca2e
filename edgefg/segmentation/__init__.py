"""The core: from one frame to one mask, in the caller's thread or in a pipeline."""
