"""Programmes that ship: an organisation's final runs and reported spend, as TOML."""
