"""gRPC as Giro speaks it: one way to serve, one way to call."""
