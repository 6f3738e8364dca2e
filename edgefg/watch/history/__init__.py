"""The event store of ``edgefg watch``: what happened while nobody looked."""
