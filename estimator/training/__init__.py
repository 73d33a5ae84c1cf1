"""A training step: layout, software, efficiencies, time and memory."""
