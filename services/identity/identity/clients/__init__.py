"""What the use cases' ports are made of: hashing threads and the signing key."""
