"""Side-by-side measurements: Giro's calls beside a bare gRPC echo of the same run, on stated data."""
