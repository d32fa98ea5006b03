"""A rollback that Argo CD takes and that then fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ci.errors import CiError
from ci.oncall.rollback import command

if TYPE_CHECKING:
    from tests.ci.argocd_server import FakeArgo, Git


@pytest.mark.parametrize("phase", ["Failed", "Error"])
@pytest.mark.parametrize("failing", [True, False])
def test_a_rollback_that_fails_says_why_and_what_to_look_at(
    argo: FakeArgo, git: Git, monkeypatch: pytest.MonkeyPatch, phase: str, failing: bool
) -> None:
    for tag in ("1-aaaaaaa", "2-bbbbbbb"):
        git.deploy(tag)
        argo.sync()
    resource = {"kind": "Service", "name": "coworking", "status": "SyncFailed", "message": "no"}

    def fails(_: int) -> Any:
        state = argo.application["status"]["operationState"]
        state |= {"phase": phase, "message": "one or more objects failed to apply"}
        state["syncResult"] = {"revision": "", "resources": [resource] if failing else []}
        return argo.application

    monkeypatch.setattr(argo, "_roll_back", fails)
    with pytest.raises(CiError) as raised:
        CliRunner().invoke(command, ["prod"], catch_exceptions=False)

    assert str(raised.value) == "the rollback failed: one or more objects failed to apply"
    advised = "Service/coworking: no" if failing else "See `python -m ci status prod`."
    assert advised in raised.value.hint
    assert argo.live == "2-bbbbbbb"
