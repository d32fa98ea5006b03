"""What recorded answers of Argo CD mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.argocd.application import tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.argocd.application import Application

    Read = Callable[[str], Application]


@pytest.mark.parametrize(
    ("name", "auto_sync", "busy", "differing"),
    [
        ("rolled-back", False, False, ["Deployment/coworking"]),
        # What the rollback left behind waits to be pruned, and that is not a difference.
        ("reverted", False, False, []),
        ("resumed", True, False, []),
        ("stuck", True, True, ["Deployment/coworking"]),
        ("terminated", False, False, ["Deployment/coworking"]),
    ],
)
def test_it_tells_whether_a_sync_would_change_what_runs(
    recorded: Read, name: str, auto_sync: bool, busy: bool, differing: list[str]
) -> None:
    app = recorded(name)

    assert app.auto_sync is auto_sync
    assert app.busy is busy
    assert [f"{r.kind}/{r.name}" for r in app.differing if r.kind == "Deployment"] == differing


def test_a_rollback_is_the_newest_entry_of_the_history(recorded: Read) -> None:
    app = recorded("rolled-back")

    assert [entry.revision[:7] for entry in app.entries] == ["bb40430", "a701de1", "bb40430"]
    assert [entry.by for entry in app.entries] == ["auto-sync", "auto-sync", "admin"]


def test_a_stuck_sync_says_what_it_waits_for(recorded: Read) -> None:
    operation = recorded("stuck").operation

    assert operation is not None
    assert operation.phase == "Running"
    assert operation.message == "waiting for completion of hook batch/Job/migrate"


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("a.example.com:5000/x:1-2", "1-2"),
        ("x", ""),
        ("a.example.com:5000/x", ""),
        ("x:1@sha256:0", "1"),
    ],
)
def test_it_reads_the_tag_of_an_image(image: str, tag: str) -> None:
    assert tag_of(image) == tag
