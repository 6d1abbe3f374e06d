"""What planning a day, a tour and a repair have in common."""
