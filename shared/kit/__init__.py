"""What every Giro service stands on; it knows nothing of appointments."""
