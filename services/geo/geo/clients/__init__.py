"""What geo asks of others: where addresses are."""
