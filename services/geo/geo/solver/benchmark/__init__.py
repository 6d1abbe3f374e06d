"""Public routing instances (VRPTW, TSPTW): read, solved, and every route checked in exact integers."""
