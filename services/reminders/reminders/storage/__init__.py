"""All SQL of reminders, one file a noun. Each statement names the tenant; row-level security is on top."""
