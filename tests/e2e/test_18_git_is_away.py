"""Git hangs or is not there, or Argo CD's repo server is down: a rollback does what can be done.

What is taken away is the repo server's way to git: by a NetworkPolicy that drops what it sends out
of the cluster, or by a proxy that answers everything with 404, as GitHub does for a repository that
was removed or renamed, or that a token may no longer read. The calls are made with the token of who
is on call.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from ci.argocd.client import ArgoError
from tests.e2e.harness.cluster import Refused, until
from tests.e2e.harness.images import Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.cluster import Json
    from tests.e2e.harness.world import World

pytestmark = pytest.mark.long

# New to prod: a version that comes back counts as a rollback of those since.
HANGS = (Version("before-git-hung"), Version("bad-while-git-hung"))
ABSENT = (Version("before-git-was-absent"), Version("bad-while-git-was-absent"))
DOWN = (Version("before-it-was-down"), Version("bad-while-it-was-down"))
REPO_SERVER = "deployment/argocd-repo-server"
NOT_FOUND = """\
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.command, self.path, flush=True)
        self.send_error(404)
    do_POST = do_CONNECT = do_GET
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
NO_WAY_OUT = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "e2e-no-way-to-git"},
    "spec": {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "argocd-repo-server"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"namespaceSelector": {}}]}],
    },
}


@pytest.fixture(scope="module", autouse=True)
def _loaded(world: World) -> None:
    world.load(*HANGS, *ABSENT, *DOWN)


def _release(world: World, versions: tuple[Version, Version]) -> tuple[str, str]:
    for version in versions:
        world.release("prod", version.tag)
    return versions[0].tag, versions[1].tag


@pytest.fixture
def hanging_git(world: World) -> Iterator[tuple[str, str]]:
    """Two releases, and then the repo server can't reach git: what it sends there is dropped."""
    released = _release(world, HANGS)
    world.argo.apply(NO_WAY_OUT)
    try:
        until("git hangs for the repo server", lambda: not _reaches_git(world), within=60)
        yield released
    finally:
        world.argo.delete("networkpolicy", NO_WAY_OUT["metadata"]["name"])
        until("the repo server reaches git", lambda: _reaches_git(world), within=60)


@pytest.fixture
def absent_git(world: World) -> Iterator[tuple[str, str]]:
    """Two releases, and then every request of the repo server's to git is answered with 404."""
    released = _release(world, ABSENT)
    world.start_script("not-found", NOT_FOUND)
    address = world.client.get("pod", "not-found")["status"]["podIP"]
    secret = _repository(world.settings.git_url, f"http://{address}:8080")
    world.argo.apply(secret)
    try:
        until("git is not found", lambda: _is_not_found(world), within=120)
        yield released
    finally:
        world.argo.delete("secret", secret["metadata"]["name"])
        world.client.delete("pod", "not-found")


def _repository(url: str, proxy: str) -> Json:
    """A repository that Argo CD reaches by a proxy.

    https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/declarative-setup/#repositories
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "e2e-by-a-proxy",
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"type": "git", "url": url, "proxy": proxy},
    }


def _is_not_found(world: World) -> bool:
    with contextlib.suppress(ArgoError):  # it may report that it could not look
        world.argocd.application("coworking-prod", refresh=True)
    return bool(world.client.run("logs", "not-found").strip())


def _reaches_git(world: World) -> bool:
    asked = ("git", "ls-remote", world.settings.git_url)
    try:
        world.argo.run("exec", REPO_SERVER, "--", *asked, timeout=8)
    except subprocess.TimeoutExpired:
        return False
    except Refused as refusal:
        # Without a user name git asks for one, and only a server that answers makes it do that.
        return "could not read Username" in str(refusal)
    return True


def _resume(world: World, token: str, old: str) -> None:
    world.repo.ci_as(token, "resume", "prod")
    assert world.prod.serving(old)
    world.settle("coworking-prod")


def test_18_a_rollback_serves_the_old_version_while_git_hangs_also_after_a_restart(
    world: World, hanging_git: tuple[str, str], tokens: dict[str, str]
) -> None:
    old, new = hanging_git
    world.argo.run("rollout", "restart", REPO_SERVER)
    world.argo.run("rollout", "status", REPO_SERVER, "--timeout=120s")

    said = ""

    def roll_back() -> None:
        nonlocal said
        said = world.repo.ci_as(tokens["on-call"], "rollback", "prod")

    seconds = world.measure("rollback while git hangs", roll_back)

    assert f"prod serves {old} again" in said
    assert f"It reverts {new} in git" in said
    assert world.prod.serving(old)
    assert seconds < 120  # some 15 on a quiet machine; two processors may be busy


def test_18_when_git_is_back_resume_is_one_command(world: World, tokens: dict[str, str]) -> None:
    _resume(world, tokens["on-call"], HANGS[0].tag)


def test_18_a_rollback_serves_the_old_version_while_git_answers_404(
    world: World, absent_git: tuple[str, str], tokens: dict[str, str]
) -> None:
    """Argo CD checks a change of an Application against git, and refused auto-sync's end for it."""
    old, new = absent_git
    said = ""

    def roll_back() -> None:
        nonlocal said
        said = world.repo.ci_as(tokens["on-call"], "rollback", "prod")

    seconds = world.measure("rollback while git answers 404", roll_back)

    assert f"prod serves {old} again" in said
    assert f"It reverts {new} in git" in said
    assert not world.app("coworking-prod").auto_sync
    assert world.prod.serving(old)
    assert seconds < 120


def test_18_when_git_is_there_again_resume_is_one_command(
    world: World, tokens: dict[str, str]
) -> None:
    _resume(world, tokens["on-call"], ABSENT[0].tag)


def test_18_without_the_repo_server_auto_sync_goes_off_and_the_rest_is_said(
    world: World, tokens: dict[str, str]
) -> None:
    old, new = _release(world, DOWN)
    world.argo.run("scale", REPO_SERVER, "--replicas=0")
    try:
        until("no repo server is left", lambda: not _repo_servers(world), within=60)
        said = world.repo.ci_as(tokens["on-call"], "rollback", "prod", status=1)

        assert "can't render commit" in said
        assert f"({old})" in said
        assert f"Auto-sync is off, and {new} still runs." in said
        assert "argocd-repo-server" in said
        assert "has no version before" not in said
        assert not world.app("coworking-prod").auto_sync
        assert world.prod.serving(new)
    finally:
        world.argo.run("scale", REPO_SERVER, "--replicas=1")
    world.argo.run("rollout", "status", REPO_SERVER, "--timeout=120s")

    assert f"prod serves {old} again" in world.repo.ci_as(tokens["on-call"], "rollback", "prod")
    _resume(world, tokens["on-call"], old)


def _repo_servers(world: World) -> list[object]:
    return list(world.argo.items("pods", "-l", "app.kubernetes.io/name=argocd-repo-server"))
