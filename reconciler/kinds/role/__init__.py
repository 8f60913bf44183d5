"""Kind Role."""
