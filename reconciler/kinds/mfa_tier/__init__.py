"""Kind MfaTier."""
