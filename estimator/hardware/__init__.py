"""What a part is: accelerators, their names, generations and fitted efficiencies."""
