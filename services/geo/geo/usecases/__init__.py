"""What geo does, one verb a file."""
