"""Small immutable values shared by all domains: ids, instants, windows, places."""
