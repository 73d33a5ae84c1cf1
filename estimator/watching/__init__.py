"""A run as it trains: what it reaches, costs and has left, for the tools people watch."""
