"""Fixing appointments again: by operators and by scheduled procedures, in whatever mode (R-020 to R-079)."""
