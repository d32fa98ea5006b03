"""An `aws` on the PATH that says its version at once, and does everything else as it is installed.

`ci plan --check` asks for it at each call; Python needs most of a second to start the real one.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def put_aws(folder: Path) -> None:
    """Write the program into a folder."""
    mine = shutil.which("aws", path=f"{sys.prefix}/bin") or shutil.which("aws")
    assert mine, "the package awscli of requirements-dev.txt is not installed"
    version = importlib.metadata.version("awscli")
    program = folder / "aws"
    quick = f'[ "$*" != --version ] || {{ echo aws-cli/{version}; exit; }}'
    program.write_text(f'#!/bin/sh\n{quick}\nexec {mine} "$@"\n')
    program.chmod(0o755)
