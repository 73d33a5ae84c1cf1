"""What an hour of an accelerator costs, rented or owned."""
