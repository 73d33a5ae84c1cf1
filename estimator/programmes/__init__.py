"""Final runs set against a programme's reported spend, and the shipped programmes."""
