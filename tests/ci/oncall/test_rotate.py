"""`rotate ENV password` on a real PostgreSQL, with a cluster that is as slow as a real one."""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import time
from typing import TYPE_CHECKING

import psycopg2
import pytest
from click.testing import CliRunner

from ci.errors import CiError, InputError
from ci.oncall import rotate, rotate_password
from ci.tree import sealing
from tests.app.conftest import Server, Servers, postgres_servers
from tests.ci.oncall.secret_cluster import FILES, SecretCluster
from tests.ci.tree.test_seal import KEY, certificate
from tests.ci.verbs import in_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ci.argocd_server import FakeArgo, Git


__all__ = ["postgres_servers"]
KILLS = 5  # in each round
# All four rounds take minutes: `KILL_ROUNDS=4 make test-long ARGS=tests/ci/oncall/test_rotate.py`.
SEEDS = range(int(os.environ.get("KILL_ROUNDS", "1")))
USER = f"rotated_{os.getpid()}"  # each worker has its own on the one server
ROTATION = "overlays/prod/postgres/rotation/kustomization.yaml"


@pytest.fixture
def server(postgres_servers: Servers) -> Iterator[Server]:
    """A server with the role, whose password is `password_of` the newest Secret."""
    server = postgres_servers(18)
    server.database("postgres").execute(f"DROP ROLE IF EXISTS {USER}", f"CREATE ROLE {USER} LOGIN")
    yield server
    server.database("postgres").execute(f"DROP ROLE {USER}")


@pytest.fixture
def cluster(
    argo: FakeArgo,
    git: Git,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[SecretCluster]:
    first = secrets.token_urlsafe(32)
    server.database("postgres").execute(f"ALTER ROLE {USER} PASSWORD '{first}'")
    _fill(git, first)
    argo.sync()
    variables = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_NAME": "postgres",
        "DB_USERNAME": USER,
    }
    (tmp_path / "mounts").mkdir()
    cluster = SecretCluster(git, tmp_path / "mounts", variables)
    argo.database = cluster  # type: ignore[assignment]  # it answers for postgres-prod
    cluster.start()
    monkeypatch.setattr(rotate_password, "POLL", 0.1)
    yield cluster
    cluster.stop()


def _fill(git: Git, password: str) -> None:
    target = sealing.SecretName("coworking-prod", "coworking-secret")
    sealed = sealing.seal_value(password.encode(), KEY.public_key(), target)
    git.write("overlays/prod/kustomization.yaml", "resources: [coworking, postgres]\n")
    git.write("overlays/prod/sealing-cert.pem", certificate())
    git.write(f"{FILES}/kustomization.yaml", "namespace: coworking-prod\n")
    git.write(ROTATION, "kind: Component\n")
    git.write(
        f"{FILES}/sealedsecret.yaml",
        'metadata:\n  annotations:\n    coworking/sealed-on: "2026-11-01"\n'
        f'    coworking/sealed-with: "{"0" * 64}"\n'
        "    coworking/sealed-for: coworking-prod/coworking-secret\n"
        f"spec:\n  encryptedData:\n    DB_PASSWORD: {sealed}\n",
    )
    git.deploy("1-aaaaaaa")


def run(git: Git, *words: str) -> str:
    """What the verb printed; a CiError is raised."""
    done = CliRunner().invoke(
        rotate.command,
        ["prod", "password", "--url", git.url, *words],
        catch_exceptions=False,
        standalone_mode=False,
    )
    if done.exception:
        raise done.exception
    return done.output


def opens(server: Server, password: str) -> bool:
    try:
        psycopg2.connect(
            host="127.0.0.1", port=server.port, user=USER, password=password, dbname="postgres"
        ).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


def sealed(git: Git) -> str:
    return git.read(f"{FILES}/sealedsecret.yaml")


@pytest.mark.thorough
def test_it_seals_changes_and_removes_the_old_one(
    cluster: SecretCluster, git: Git, server: Server
) -> None:
    pod, old = cluster.mount(), cluster.secret["DB_PASSWORD"]

    output = run(git, "--push")

    new = cluster.secret["DB_PASSWORD"]
    assert (opens(server, old), opens(server, new)) == (False, True)
    assert cluster.secret.keys() == {"DB_PASSWORD"}
    assert "DB_PASSWORD_NEXT" not in sealed(git)
    assert "base/postgres/rotation" not in git.read(ROTATION)
    assert "coworking/rotated-at" in sealed(git)
    for line in (
        "rotate(prod): announce the next database password",
        "the cluster has unsealed it",
        "The new password opens the database, and the old one is refused.",
        "changed in the database",
        "rotate(prod): use the announced database password",
        "prod's password is rotated; the old one is refused.",
    ):
        assert line in output
    assert old not in output + git.log()
    assert new not in output + git.log()
    assert pod in cluster.pods
    # A second call does nothing within the hour, unless it is told to.
    tip = git.tip()
    assert "was rotated 0 minutes ago, and nothing is left to do" in run(git, "--push")
    assert "seal a new password" in run(git, "--push", "--again", "--dry-run")
    assert git.tip() == tip


@pytest.mark.thorough  # two rotations; in `make test` a dry run says that the second would begin
def test_a_password_that_was_rotated_is_rotated_again(cluster: SecretCluster, git: Git) -> None:
    run(git, "--push")
    tip, used = git.tip(), cluster.secret["DB_PASSWORD"]

    run(git, "--push", "--again")

    assert git.tip() != tip
    assert cluster.secret["DB_PASSWORD"] != used


def test_a_dry_run_says_what_is_left_and_does_nothing(cluster: SecretCluster, git: Git) -> None:
    tip = git.tip()

    assert "seal a new password beside the present one" in run(git, "--dry-run")

    assert git.tip() == tip


@pytest.mark.thorough
def test_without_push_each_step_waits_on_a_branch(
    cluster: SecretCluster, git: Git, server: Server
) -> None:
    tip = git.tip()

    first = run(git)
    again = run(git)

    assert git.tip() == tip
    branch = first.partition("Pushed branch ")[2].partition(":")[0]
    assert branch.startswith("rotate/prod/password-announce-")
    assert f"Pushed branch {branch}: merge it into main" in again
    assert "Then call this again." in again
    git.merge(branch)
    second = run(git)
    assert "changed in the database" in second
    branch = second.partition("Pushed branch ")[2].partition(":")[0]
    assert branch.startswith("rotate/prod/password-use-")
    assert "DB_PASSWORD_NEXT" in sealed(git)
    git.merge(branch)
    third = run(git)
    assert "is rotated; the old one is refused" in third or "nothing is left to do" in third
    assert cluster.secret.keys() == {"DB_PASSWORD"}
    assert opens(server, cluster.secret["DB_PASSWORD"])


@pytest.mark.slow  # kills; what is done and asked for then is in test_rotation_steps.py
def test_a_job_that_is_killed_goes_on_by_itself(
    cluster: SecretCluster, git: Git, server: Server
) -> None:
    cluster.fail_jobs = 2

    run(git, "--push")

    assert cluster.attempts > 1 or cluster.fail_jobs
    assert opens(server, cluster.secret["DB_PASSWORD"])


@pytest.mark.slow  # three attempts and a whole rotation; what is said is in test_rotation_steps.py
def test_a_job_that_fails_for_good_is_reported_and_the_old_password_stays(
    cluster: SecretCluster, git: Git, server: Server
) -> None:
    """An older release's session is connected, which knows one password only."""
    old = cluster.secret["DB_PASSWORD"]
    cluster.variables["DB_PORT"] = "1"

    with pytest.raises(CiError, match="postgres-prod can't change the password: Job/") as raised:
        run(git, "--push")

    assert "The old password is still valid." in raised.value.hint
    assert opens(server, old)
    cluster.variables["DB_PORT"] = str(server.port)
    assert "is rotated; the old one is refused" in run(git, "--push")
    assert not opens(server, old)


def test_a_release_that_knows_one_password_only_is_not_rotated(
    cluster: SecretCluster, argo: FakeArgo, git: Git
) -> None:
    source = git.commit("apps/coworking/coworking/app.py", "")
    git.deploy(f"7-{source[:8]}")
    argo.sync()
    tip = git.tip()

    with pytest.raises(InputError, match="a release that knows one password only") as raised:
        run(git, "--push")

    assert "python -m ci promote --to prod" in raised.value.hint
    assert git.tip() == tip
    source = git.commit("apps/coworking/coworking/change_password.py", "")
    git.deploy(f"8-{source[:8]}")
    argo.sync()
    assert "seal a new password" in run(git, "--push", "--dry-run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_it_ends_well_when_it_is_called_again_after_a_kill_at_any_moment(
    cluster: SecretCluster, git: Git, server: Server, seed: int
) -> None:
    chance = random.Random(seed)
    context = multiprocessing.get_context("fork")
    began = time.monotonic()
    run(git, "--push")
    takes = time.monotonic() - began
    stages = []
    for _ in range(KILLS):
        old = cluster.secret["DB_PASSWORD"]
        process = context.Process(
            target=in_this_process,
            args=("rotate", "prod", "password", "--push", "--again", "--url", git.url),
        )
        process.start()
        time.sleep(chance.uniform(0, takes * 1.2))
        process.kill()
        process.join()
        stages.append(_stage(git, cluster, old))
        run(git, "--push", *(["--again"] if stages[-1] == "nothing" else []))
        new = cluster.secret["DB_PASSWORD"]
        assert (opens(server, old), opens(server, new)) == (False, True)
        assert cluster.secret.keys() == {"DB_PASSWORD"}
    print(f"a rotation takes {takes:.1f} s; killed at: {sorted(stages)}")


def _stage(git: Git, cluster: SecretCluster, old: str) -> str:
    if "DB_PASSWORD_NEXT" in sealed(git):
        return "announced"
    return "nothing" if cluster.secret["DB_PASSWORD"] == old else "used"
