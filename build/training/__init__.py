"""Training both stages: data, pairs, losses, schedule and validation."""
