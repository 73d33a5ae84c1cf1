"""What a model takes: its card, and the utilisation of a measured speed."""
