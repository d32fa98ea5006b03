"""Root's wait for a confirmation, by the words that Argo CD 3.4 has for it."""

from __future__ import annotations

from typing import Any

import pytest

from ci.argocd.pruning import waiting

MESSAGE = "waiting for pruning confirmation of argoproj.io/Application/coworking-prod"


def root(message: str, phase: str = "Running", name: str = "root") -> dict[str, Any]:
    state = {"phase": phase, "message": message}
    return {"metadata": {"name": name}, "status": {"operationState": state}}


@pytest.mark.parametrize("message", [MESSAGE, f"{MESSAGE} and 1 more hooks"])
def test_the_wait_is_said_with_both_ways_out(message: str) -> None:
    said = waiting([root("x", name="coworking-prod"), root(message)], "coworking-prod")
    assert said.startswith("git no longer has coworking-prod, and root waits")
    assert "argocd app terminate-op root" in said
    assert said.endswith("argocd app confirm-deletion root")


@pytest.mark.parametrize(
    "applications",
    [
        [],
        [root("waiting for healthy state of argoproj.io/Application/coworking-prod")],
        [root(MESSAGE, phase="Succeeded")],
        [root(MESSAGE.replace("prod", "prod-2"))],
        [root(MESSAGE, name="other")],
        [{"metadata": {"name": "root"}}],
    ],
)
def test_nothing_else_is_taken_for_it(applications: list[dict[str, Any]]) -> None:
    assert waiting(applications, "coworking-prod") == ""
