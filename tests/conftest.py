"""What holds for every test."""

from __future__ import annotations

import gc

# What was imported and collected stays to the end: looking through it for garbage after every few
# hundred objects took a tenth of the run.
gc.set_threshold(100_000, 20, 100)
