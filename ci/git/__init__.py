"""Git as the verbs use it: a private copy of one branch, plain pushes, and GitHub's own calls."""
