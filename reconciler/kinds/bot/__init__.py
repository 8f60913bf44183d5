"""Kind Bot."""
