"""`python -m treecheck`: the same as the command `treecheck`."""

from treecheck.cli import main

main()
