"""Layer 8: does everything that an environment requests fit the nodes described."""
