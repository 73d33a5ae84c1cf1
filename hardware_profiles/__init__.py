"""Accelerator profiles: one TOML file each, every figure with its source."""
