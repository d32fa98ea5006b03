"""What holds for every template of CloudFormation."""

import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATES = sorted((Path(__file__).parents[2] / "infra/cloudformation").glob("*.yaml"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.stem)
def test_cfn_lint_has_nothing_to_say(template: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "cfn-lint", "--include-checks", "I", "--", template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
