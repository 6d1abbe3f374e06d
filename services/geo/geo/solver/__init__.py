"""Optimisation in worker processes: the only room with OR-Tools and PyVRP, and only inside a worker."""
