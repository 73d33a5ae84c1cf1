"""Estimates set against measured runs: calibrate and validate."""
