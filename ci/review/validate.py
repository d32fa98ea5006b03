"""`python -m ci validate`: the checker, with the rules that this repository adds to its own."""

from __future__ import annotations

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from treecheck.cli import command

__all__ = ["command"]
