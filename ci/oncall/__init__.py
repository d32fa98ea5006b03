"""The engineer on call: what is wrong, the version before, and the way back to git."""
