"""`rotate ENV access-key` and `rotate ENV backup-key`, with a cluster as slow as a real one."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ci.errors import CiError, InputError
from ci.oncall import backup_look, rotate, secret_commit
from ci.oncall.reports import Backups
from ci.tree import backup_key, sealing
from ci.tree.backup_place import place_file
from tests.ci.oncall.secret_cluster import FILES, LABEL, SecretCluster
from tests.ci.oncall.test_rotate import _fill
from tests.ci.tree.test_seal import KEY, open_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ci.argocd_server import FakeArgo, Git

SEALED = f"{FILES}/sealedsecret.yaml"
PLACE = place_file("prod")
PASSWORD, FIRST = "pWd-x81kQ0-of-the-database", "kEy-0aB93-which-people-have-today"


@pytest.fixture
def cluster(
    argo: FakeArgo, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretCluster]:
    """A cluster whose secret has a password, an access key and a key of the backups."""
    _fill(git, PASSWORD)
    target = sealing.SecretName("coworking-prod", "coworking-secret")
    text = git.read(SEALED)
    for name, value in (("ACCESS_KEY", FIRST), ("BACKUP_KEY", backup_key.as_settings(FIRST))):
        sealed = sealing.seal_value(value.encode(), KEY.public_key(), target)
        text += f"\n    {name}: {sealed}"
    git.commit(SEALED, f"{text}\n")
    git.commit(
        PLACE, "literals:\n      - PGBACKREST_REPO1_PATH=/prod-1\npatches:\n  - path: x.yaml\n"
    )
    argo.sync()
    (tmp_path / "mounts").mkdir()
    cluster = SecretCluster(git, tmp_path / "mounts", {})
    argo.database = cluster  # type: ignore[assignment]  # it answers for postgres-prod
    cluster.start()
    monkeypatch.setattr(secret_commit, "POLL", 0.1)
    yield cluster
    cluster.stop()


@pytest.fixture
def oldest(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """When the oldest backup of the path began, one for each look; the last stays."""
    began = [datetime.now(UTC) + timedelta(minutes=1)]

    def look(*_: Any) -> Backups:
        at = began.pop(0) if len(began) > 1 else began[0]
        known = {"repository": "backups", "oldest": f"{at:%Y%m%d-%H%M%S}F"}
        return Backups("well", known=known)

    monkeypatch.setattr(backup_look, "look", look)
    return began


def run(git: Git, secret: str, *words: str) -> str:
    """What the verb printed; a CiError is raised."""
    words = ("prod", secret, "--url", git.url, *words)
    done = CliRunner().invoke(rotate.command, words, catch_exceptions=False, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.output


def shown(output: str) -> str:
    """The one key that stands in the output, on a line of its own."""
    (key,) = re.findall(r"^  ([\w-]{43})$", output, re.MULTILINE)
    return str(key)


# --- the access key ------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_new_access_key_is_valid_beside_the_one_before_until_that_is_dropped(
    cluster: SecretCluster, git: Git
) -> None:
    output = run(git, "access-key", "--push")

    fresh = shown(output)
    assert (cluster.secret["ACCESS_KEY"], cluster.secret["ACCESS_KEY_OLD"]) == (fresh, FIRST)
    assert "python -m ci rotate prod access-key --drop-old" in output
    assert fresh not in git.read(SEALED)
    tip = git.tip()
    assert "no third was made" in run(git, "access-key", "--push")
    assert git.tip() == tip
    assert "refuses the key before" in run(git, "access-key", "--push", "--drop-old")
    assert cluster.secret["ACCESS_KEY"] == fresh
    assert "ACCESS_KEY_OLD" not in cluster.secret
    with pytest.raises(InputError, match="nothing to drop"):
        run(git, "access-key", "--push", "--drop-old")


@pytest.mark.thorough
def test_a_key_that_nobody_got_is_replaced_and_the_one_before_stays(
    cluster: SecretCluster, git: Git
) -> None:
    run(git, "access-key", "--push")

    fresh = shown(run(git, "access-key", "--push", "--again"))

    assert (cluster.secret["ACCESS_KEY"], cluster.secret["ACCESS_KEY_OLD"]) == (fresh, FIRST)


def test_a_branch_with_a_new_key_is_not_made_twice(cluster: SecretCluster, git: Git) -> None:
    output = run(git, "access-key")
    fresh = shown(output)

    again = run(git, "access-key")

    branch = output.partition("Pushed branch ")[2].partition(":")[0]
    assert f"Branch {branch} has a new key already" in again
    assert not re.search(r"^  [\w-]{43}$", again, re.MULTILINE)
    git.merge(branch)
    assert open_sealed(re.findall(r"ACCESS_KEY: (\S+)", git.read(SEALED))[0], LABEL) == fresh
    assert "no third was made" in run(git, "access-key")


def test_a_dry_run_changes_nothing_and_shows_no_key(cluster: SecretCluster, git: Git) -> None:
    tip = git.tip()
    assert "seal a new access key" in run(git, "access-key", "--dry-run")
    assert "seal a new key for the backups" in run(git, "backup-key", "--dry-run")
    assert git.tip() == tip


def test_reports_that_ask_for_no_key_have_none_to_rotate(cluster: SecretCluster, git: Git) -> None:
    git.commit(SEALED, re.sub(r"\n +ACCESS_KEY: \S+", "", git.read(SEALED)))
    with pytest.raises(InputError, match="ask for no key") as raised:
        run(git, "access-key", "--push")
    assert "make seal ENV=prod ARGS=--access-key" in raised.value.hint


# --- the key of the backups ----------------------------------------------------------------------


@pytest.mark.thorough
def test_a_new_key_comes_with_a_new_path_and_the_one_before_stays(
    cluster: SecretCluster, git: Git, oldest: list[datetime]
) -> None:
    oldest.insert(0, datetime.now(UTC) - timedelta(days=9))  # the pod before has not ended yet

    output = run(git, "backup-key", "--push")

    fresh = shown(output)
    assert cluster.secret["BACKUP_KEY"] == backup_key.as_settings(FIRST)
    assert cluster.secret["BACKUP_KEY_2"] == backup_key.as_settings(fresh)
    place = git.read(PLACE)
    assert "PGBACKREST_REPO1_PATH=/prod-2\n" in place
    assert re.findall(r"key: (BACKUP_KEY\S*)", place) == ["BACKUP_KEY_2"] * 2
    assert "the first backup in /prod-2 has ended" in output
    assert "nothing is left to do" in run(git, "backup-key", "--push")
    third = shown(run(git, "backup-key", "--push", "--again"))
    assert cluster.secret["BACKUP_KEY_2"] == backup_key.as_settings(fresh)
    assert cluster.secret["BACKUP_KEY_3"] == backup_key.as_settings(third)
    assert "BACKUP_KEY" not in cluster.secret
    assert "PGBACKREST_REPO1_PATH=/prod-3\n" in git.read(PLACE)


@pytest.mark.thorough
def test_git_names_the_new_path_only_after_the_cluster_has_its_key(
    cluster: SecretCluster, git: Git, oldest: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod with the next path and the present key would begin the path with the wrong one."""
    monkeypatch.setattr("ci.oncall.rotate_backup_key.UNSEALED_WITHIN", 0.5)
    cluster.paused = True
    with pytest.raises(CiError, match="has unsealed the next key: not after"):
        run(git, "backup-key", "--push")
    assert "/prod-1\n" in git.read(PLACE)
    cluster.paused = False
    monkeypatch.setattr("ci.oncall.rotate_backup_key.UNSEALED_WITHIN", 60)
    tip = git.tip()
    output = run(git, "backup-key", "--push")
    assert not re.search(r"^  [\w-]{43}$", output, re.MULTILINE)  # the key was shown before
    assert git.tip() != tip
    assert "/prod-2\n" in git.read(PLACE)


@pytest.mark.thorough
def test_a_call_after_the_second_commit_waits_for_the_first_backup(
    cluster: SecretCluster, git: Git, oldest: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = oldest[0]
    oldest[0] = good - timedelta(days=9)
    monkeypatch.setattr("ci.oncall.rotate_backup_key.BACKED_UP_WITHIN", 0.5)
    with pytest.raises(CiError, match="the first backup in /prod-2 has ended: not after"):
        run(git, "backup-key", "--push")
    tip = git.tip()
    oldest[0] = good
    assert "nothing is left to do" in run(git, "backup-key", "--push")
    assert git.tip() == tip


def test_without_a_key_of_the_backups_there_is_none_to_rotate(
    cluster: SecretCluster, git: Git
) -> None:
    git.commit(SEALED, re.sub(r"\n +BACKUP_KEY: \S+", "", git.read(SEALED)))
    with pytest.raises(InputError, match="no key of prod's backups is sealed"):
        run(git, "backup-key", "--push")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("password", "--drop-old"), "--drop-old is for access-key"),
        (("access-key", "--s3-key", "README.md"), "--s3-key is for backup-key"),
    ],
)
def test_an_option_of_another_secret_is_refused(
    git: Git, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        run(git, *words)
