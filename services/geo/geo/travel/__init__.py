"""Travel times: engines behind one port, and the tenant's own matrix on top of whichever is in use."""
