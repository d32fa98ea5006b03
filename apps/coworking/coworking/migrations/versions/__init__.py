"""One revision a file, in their order. A published one never changes."""
