"""`python -m ci VERB`."""

import gc

from ci.cli import main

# A verb lives for a second and frees what it made by ending; looking for cycles in between took an
# eighth of its time.
gc.set_threshold(100_000, 20, 100)

main()
