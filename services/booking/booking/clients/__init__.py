"""What booking asks of other services, over gRPC."""
