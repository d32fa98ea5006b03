"""For who builds and pays: the plan of the first deploy, the nodes, the price, the settings."""
