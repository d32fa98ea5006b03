"""Layer 3: what the API server refuses beyond its schema."""
