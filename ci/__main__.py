"""`python -m ci VERB`."""

from ci.cli import main

main()
