"""Checks manifests for what would break after the merge: `python -m ci validate`."""
