"""What holds for every template of CloudFormation."""

import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATES = sorted((Path(__file__).parents[2] / "infra/cloudformation").glob("*.yaml"))


@pytest.mark.thorough
def test_cfn_lint_has_nothing_to_say() -> None:
    """Of all of them in one process: its start takes longer than the templates."""
    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--include-checks", "I", "--", *TEMPLATES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
