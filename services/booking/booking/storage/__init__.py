"""All SQL of booking, one file a noun. Every statement names the tenant; row-level security comes on top."""
