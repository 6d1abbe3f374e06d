"""Inbound: gRPC calls and events."""
