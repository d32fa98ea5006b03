"""One cluster for the whole suite: made ready by the first scenario, shared by all."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.client import ArgoError
from tests.e2e.harness import evidence
from tests.e2e.harness.cluster import until
from tests.e2e.harness.environment import POSTGRES_IMAGE, Unusable, check
from tests.e2e.harness.prod_backups import ProdBackups
from tests.e2e.harness.world import VERSIONS, World

if TYPE_CHECKING:
    from collections.abc import Iterator

EVIDENCE = Path(os.environ.get("E2E_EVIDENCE", ".local/e2e"))
_WORLDS: list[World] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scenario may take minutes, and none may take more than six.

    The deployment that the first one waits for has deadlines of its own, step by step.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(360, func_only=True))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The service, deployed from an empty cluster; an unusable environment ends the run here."""
    try:
        settings = check(os.environ)
    except Unusable as unusable:
        pytest.exit(str(unusable), returncode=2)
    found = World(settings, tmp_path_factory.mktemp("e2e"))
    _WORLDS.append(found)
    try:
        _deploy(found)
        yield found
    finally:
        found.access.close()
        found.plan.close()


def _deploy(found: World) -> None:
    found.measure("an earlier run's leftovers are gone", found.reset)
    found.measure("ten versions of the image are loaded", lambda: found.load(*VERSIONS))
    found.prepare_tree()
    found.plan.begin()
    began = time.monotonic()
    found.bootstrap()
    found.plan.end()
    for name in ("root", "postgres-dev", "postgres-prod", "coworking-dev", "coworking-prod"):
        found.settle(name, within=240)
    found.figure(
        f"{time.monotonic() - began:6.1f} s  from an empty cluster to all Applications settled"
        f" ({found.plan.seconds:.1f} s of it for `ci plan --check`)"
    )
    found.start_client()


@pytest.fixture(scope="session")
def backups(world: World) -> Iterator[ProdBackups]:
    """Prod's backups, which are on from here to the end of the run."""
    if world.settings.postgres_image is None:
        pytest.skip(f"{POSTGRES_IMAGE} names no image of apps/postgres (docs/e2e.md)")
    found = ProdBackups(world)
    try:
        world.measure("a prod that runs is switched to backups", found.switch_on)
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def tokens(world: World) -> Iterator[dict[str, str]]:
    """A token each for a developer and for the engineer on call, who otherwise log in."""
    accounts = ("developer", "on-call")
    kinds = {f"accounts.{name}": "login, apiKey" for name in accounts}
    world.argo.patch("configmap", "argocd-cm", {"data": kinds})
    yield {
        name: until(f"a token for {name}", lambda n=name: _token(world, n), within=30)
        for name in accounts
    }
    world.argo.patch("configmap", "argocd-cm", {"data": dict.fromkeys(kinds, "login")})


def _token(world: World, account: str) -> str:
    try:
        path = f"/api/v1/account/{account}/token"
        return str(world.argocd._call("POST", path, body={"name": account})["token"])
    except ArgoError:  # the setting has not arrived yet
        return ""


@pytest.fixture(autouse=True)
def _leave_no_fault_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep evidence of a scenario that failed, and don't let the following ones fail for it."""
    failed_before = request.session.testsfailed
    yield
    report: Any = getattr(request.node, "e2e_report", None)
    failed = request.session.testsfailed > failed_before or (report is not None and report.failed)
    if failed and _WORLDS:
        evidence.collect(_WORLDS[0], EVIDENCE / request.node.name)
        with contextlib.suppress(Exception):  # the scenario has failed already, and says why
            _WORLDS[0].recover()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Let fixtures see how the test went; of a set-up that failed, keep the evidence here."""
    report = yield
    if report.when == "call":
        item.e2e_report = report  # type: ignore[attr-defined] - pytest's own idiom for this
    if report.when == "setup" and report.failed and _WORLDS and not item.session.testsfailed:
        evidence.collect(_WORLDS[0], EVIDENCE / item.name)  # once: the others fail for the same
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print each scenario's seconds, and the figures that they measured."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call" and "tests/e2e" in report.nodeid
    ]
    if not reports:
        return
    terminalreporter.section("end to end")
    for report in sorted(reports, key=lambda r: r.nodeid):
        name = report.nodeid.rpartition("::")[2].replace("_", " ")
        terminalreporter.line(f"{report.duration:6.1f} s  {report.outcome}  {name}")
    for line in _WORLDS[0].figures if _WORLDS else []:
        terminalreporter.line(line)
    if any(report.failed for report in reports):
        terminalreporter.line(f"evidence of what failed is in {EVIDENCE}")
