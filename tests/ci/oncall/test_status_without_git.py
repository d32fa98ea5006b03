"""`status` while git hangs: it says what else it knows, in time."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ci.oncall.status import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ci.argocd_database import Database
    from tests.ci.argocd_server import FakeArgo


def _status(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["prod", *arguments], catch_exceptions=False)


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a git server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/o/r.git"


@pytest.mark.thorough
def test_a_git_server_that_hangs_keeps_nobody_waiting(
    database: Database, argo: FakeArgo, hanging: str
) -> None:
    """It took 20 s, and a healthy system was then called sick."""
    argo.render_takes = 30  # Argo CD's repo server hangs with it
    began = time.monotonic()

    result = _status("--url", hanging)

    assert time.monotonic() - began < 9  # 2.5 on a quiet machine
    assert result.output.startswith("prod: well\n")
    assert "git says   ?" in result.output
    assert "runs       1-aaaaaaa" in result.output
    known = argo.application["status"]["sync"]["revision"][:8]
    assert (
        f"- git was not asked in time: no answer within 2 s. What it has beyond commit {known} is"
        " not known here\n"
    ) in result.output
    assert result.exit_code == 0


@pytest.mark.thorough
def test_a_credential_helper_that_hangs_keeps_nobody_waiting(
    database: Database, hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[credential]\n  helper = !sleep 30\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    began = time.monotonic()

    result = _status("--url", hanging, "--format", "json")

    assert time.monotonic() - began < 9  # 2.5 on a quiet machine
    [prod] = json.loads(result.output)
    assert (prod["git"]["late"], prod["git"]["error"]) == (True, "no answer within 2 s")
    assert prod["well"]


@pytest.mark.thorough
def test_no_copy_of_the_repository_stays_when_git_hangs(
    database: Database, hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    _status("--url", hanging)

    until = time.monotonic() + 5
    while list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    assert list(folder.iterdir()) == []
