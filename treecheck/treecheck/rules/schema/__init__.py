"""Layer 2: the schemas of Kubernetes and of the custom kinds that are known here."""
