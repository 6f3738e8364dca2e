"""Training of both stages: data, pairs, losses, schedule and validation."""
