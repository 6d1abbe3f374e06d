"""What comes in: RPCs and events, turned into commands."""
