"""The tree as the verbs see it: environments, settings, what a folder renders to."""
