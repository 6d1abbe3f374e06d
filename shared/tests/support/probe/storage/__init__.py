"""A service of one table, for the kit's own tests."""
