"""`python -m ci environment`: one more environment in the tree, or one fewer."""
