"""What happens around every RPC, in this order: context, metrics, errors, auth, validation."""
