"""`make plan`: every step from an empty AWS account to a serving prod, and how far it is."""
