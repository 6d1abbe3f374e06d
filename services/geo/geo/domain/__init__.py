"""The rules of geo: pure, no clock, no I/O."""
