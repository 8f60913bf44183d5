"""Kind Trader."""
