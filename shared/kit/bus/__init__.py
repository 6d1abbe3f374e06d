"""Events on NATS JetStream: sent from the outbox, taken with exactly one effect."""
