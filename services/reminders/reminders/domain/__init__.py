"""When a reminder may be made, and what its outcome means: pure functions of values."""
