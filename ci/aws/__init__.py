"""AWS as the verbs use it: clients, and the image registry."""
