"""gRPC as Giro speaks it: one way to serve, one way to call."""

import os

# grpc's core writes a line to stderr for each connection that ends; it reads this when it is first imported
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
