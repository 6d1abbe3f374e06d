"""What is said and written, by language."""
