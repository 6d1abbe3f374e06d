"""Events on NATS JetStream: sent from the outbox, taken with exactly one effect."""

from kit.lean import without

with without("aiohttp"):  # which is for web sockets alone: Giro's NATS is reached over TCP
    import nats.aio.transport  # noqa: F401
