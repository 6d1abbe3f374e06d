"""Real PostgreSQL and NATS for tests, and a scheduler for two sessions."""
