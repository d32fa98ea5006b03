"""The pipeline's template as the tests of this folder read it."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def pipeline_path() -> Path:
    return ROOT / "infra/cloudformation/pipeline.yaml"


@pytest.fixture(scope="session")
def pipeline(pipeline_path: Path) -> dict[str, Any]:
    """The template with the short forms (`!Sub` and so on) as `Fn::Sub` and so on."""
    from cfnlint.decode import decode  # noqa: PLC0415  (half a second, in every process)

    template, problems = decode(str(pipeline_path))
    assert not problems
    return template
