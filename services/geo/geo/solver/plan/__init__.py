"""Plans of rounds: an exact insertion search, OR-Tools where order is free, and the better of both."""
