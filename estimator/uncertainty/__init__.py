"""Draws, the distributions that they make, and which input matters most."""
