"""All SQL of geo, one file a noun."""
