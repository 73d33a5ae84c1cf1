"""Reading what users give, and telling them what went in or went wrong."""
