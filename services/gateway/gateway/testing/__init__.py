"""For tests: the real Envoy and the real edge in front of stub services that serve the real contracts."""
