"""Layer 1: the text of YAML files."""
