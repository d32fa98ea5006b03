"""Builds this package when the repository's root is installed, as pre-commit installs it.

The root's pyproject.toml names this module as its build backend; what is built is described in the
pyproject.toml beside this file.
"""

import os
from pathlib import Path

from flit_core.buildapi import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_wheel",
]

os.chdir(Path(__file__).parent)
