"""What Kubernetes makes of a manifest: ports, environment variables, keys, networks, waves."""
