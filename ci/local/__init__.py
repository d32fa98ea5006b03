"""For a developer's machine: the service with its database, a cluster, a build."""
