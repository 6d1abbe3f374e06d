"""PostgreSQL as Giro uses it: one unit of work per change, tenants kept apart by the database itself."""
