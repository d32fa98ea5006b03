"""`python -m ci VERB`."""

import gc
import os
import signal
import sys

from ci.prerequisites import end_if_too_old, end_without

end_if_too_old(sys.argv[1:])

# A verb lives for a second and frees what it made by ending; looking for cycles in between took an
# eighth of its time.
gc.set_threshold(100_000, 20, 100)

# Where git calls us, in a hook, say, it says which repository called; what we call acts on another.
for name in ("DIR", "WORK_TREE", "COMMON_DIR", "INDEX_FILE", "OBJECT_DIRECTORY", "PREFIX"):
    os.environ.pop(f"GIT_{name}", None)


def _end(number: int, _frame: object) -> None:
    """End as Ctrl-C does: what was started is ended too, and the private folders go."""
    sys.exit(128 + number)


for ending in (signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(ending) is not signal.SIG_IGN:  # as nohup has it
        signal.signal(ending, _end)

try:
    from ci.cli import main

    main()
except ModuleNotFoundError as error:
    end_without(error, sys.argv[1:])
    raise
