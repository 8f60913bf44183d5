"""Kind Staff."""
