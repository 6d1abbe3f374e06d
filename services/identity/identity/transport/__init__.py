"""Inbound: the contract's messages to commands and back."""
