"""`python -m coworking` is the command `coworking`."""

from coworking.cli import main

main()
