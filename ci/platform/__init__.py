"""For the person who builds and pays: the first deploy, the nodes, the price, the settings."""
