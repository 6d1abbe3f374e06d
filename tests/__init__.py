"""Across services: what people do, what fails, what the contracts say, all through one running stack."""
