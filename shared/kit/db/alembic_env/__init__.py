"""Alembic's environment for all services: `kit.db.migrate` runs it, nobody imports it."""
