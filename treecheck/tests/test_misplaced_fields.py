"""What to do with a field that belongs into a mapping beside the place where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import POD, run

if TYPE_CHECKING:
    from pathlib import Path

SPEC = "  replicas: 1\n"


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        (SPEC, "  rollingUpdate: {maxSurge: 1}\n", "Move 'rollingUpdate' to spec.strategy."),
        ("spec:\n  r", "labels: {a: b}\nspec:\n  r", "Move 'labels' to metadata."),
        (
            "      containers:\n",
            "      volumeMounts: [{name: a, mountPath: /a}]\n      containers:\n",
            "Move 'volumeMounts' to the container that it is for.",
        ),
        (SPEC, "  replica: 1\n", "Write 'replicas' in place of 'replica'."),
    ],
)
def test_it_says_where_a_field_belongs(old: str, new: str, fix: str, tmp_path: Path) -> None:
    report = run(tmp_path, {"a.yaml": POD.replace(old, new, 1)}, "unknown-field")

    assert [each.fix for each in report.findings] == [fix]
