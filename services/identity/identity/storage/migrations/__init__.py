"""Migrations of the schema identity; `kit.db.migrate` runs them."""
