"""Kind Device."""
