"""`restore ENV`: a commit, and the waiting until the service answers from the restored data."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from ci.errors import CiError, InputError, RemoteError
from ci.git.access import Access
from ci.tree import outside
from ci.tree.claim import Claim
from tests.ci.oncall.restore_cluster import FILE, RestoreCluster
from tests.ci.oncall.restoring import AT, FULL, ON_ONE, OVERLAY, cluster, fails, named, run

if TYPE_CHECKING:
    from tests.ci.argocd_server import Git

__all__ = ["cluster"]


# --- what there is, and the commit ---------------------------------------------------------------


def test_without_a_moment_it_lists_the_backups_and_changes_nothing(
    cluster: RestoreCluster, git: Git
) -> None:
    before = git.tip()

    output = run(git)

    lines = [line.split()[0] for line in output.splitlines() if line.startswith("  2026")]
    assert lines == [ON_ONE, f"{FULL}_20261129-085652D", FULL]
    assert "data-postgresql-0 is what git names" in output
    assert git.tip() == before


def test_a_moment_becomes_a_commit_and_the_service_answers_from_it(
    cluster: RestoreCluster, git: Git
) -> None:
    output = run(git, "--to", f"{AT} UTC", "--push")

    assert named(git) == Claim("data-postgresql-1", f"{AT}+0000", FULL, "1", 2)
    assert git.log().startswith(f"restore(prod): {AT}+0000 into data-postgresql-1\n")
    assert (cluster.pod_claim, cluster.stage) == ("data-postgresql-1", "ready")
    steps = [
        "tokens: 151 rows made since",
        "users: 2 rows made since",
        "committed ",
        "Argo CD has synced data-postgresql-1",
        "  Restored to 2026-11-29 08:56:50+0000 in 6 s.",
        "data-postgresql-1 is filled (",
        "PostgreSQL serves from it (",
        "`coworking verify` is clean (",
        "the service answers (",
        "both Applications are Synced and Healthy (",
        "prod serves 2026-11-29 08:56:50+0000 from data-postgresql-1 (",
    ]
    places = [output.index(step) for step in steps]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("words", "timeline", "claim"),
    [
        (["--to", "latest"], 1, Claim("data-postgresql-1", "latest", ON_ONE, "1", 2)),
        (
            ["--to", "latest", "--timeline", "2"],
            1,
            Claim("data-postgresql-1", "latest", f"{FULL}_20261129-085652D", "2", 2),
        ),
        # The server that answers knows which history went on.
        (
            ["--to", "latest"],
            2,
            Claim("data-postgresql-1", "latest", f"{FULL}_20261129-085652D", "2", 2),
        ),
        # Without it git does: this claim was never restored.
        (["--to", "latest"], None, Claim("data-postgresql-1", "latest", ON_ONE, "1", 2)),
        (["--backup", FULL], 1, Claim("data-postgresql-1", FULL, "", "", 2)),
    ],
)
def test_it_follows_the_history_that_went_on(
    cluster: RestoreCluster, git: Git, words: list[str], timeline: int | None, claim: Claim
) -> None:
    cluster.timeline = timeline

    run(git, *words, "--push")

    assert named(git) == claim


def test_a_new_claim_has_a_name_that_no_claim_has(cluster: RestoreCluster, git: Git) -> None:
    cluster.claims += ["data-postgresql-4", "something-else"]

    run(git, "--to", "latest", "--push")

    assert named(git).name == "data-postgresql-5"


def test_a_dropped_table_is_said_and_the_others_are_counted(
    cluster: RestoreCluster, git: Git
) -> None:
    del cluster.rows["tokens"]

    output = run(git, "--to", f"{AT} UTC", "--dry-run")

    assert 'tokens: can\'t be counted (ERROR:  relation "tokens" does not exist)' in output
    assert "users: 2 rows made since" in output


def test_rows_are_not_counted_where_nothing_answers(cluster: RestoreCluster, git: Git) -> None:
    cluster.timeline = None

    assert "the rows can't be counted" in run(git, "--to", f"{AT} UTC", "--dry-run")


def test_a_dry_run_changes_nothing(cluster: RestoreCluster, git: Git) -> None:
    before = git.tip()

    output = run(git, "--to", "latest", "--dry-run")

    assert "Would do, and does nothing now:\n  - name data-postgresql-1 and its restore" in output
    assert git.tip() == before
    assert cluster.stage == "ready"


def test_without_push_a_branch_waits_and_the_next_call_goes_on_from_its_merge(
    cluster: RestoreCluster, git: Git
) -> None:
    before = git.tip()
    for _ in range(2):
        output = run(git, "--to", "latest")
        assert "Pushed branch restore/prod/data-postgresql-1-" in output
        assert git.tip() == before

    (branch,) = [word.rstrip(":") for word in output.split() if word.startswith("restore/prod/")]
    git.commit(FILE, git.read(FILE, branch) + "\n")
    output = run(git, "--to", "latest", typed="")

    assert "going on with it" in output
    assert "prod serves latest from data-postgresql-1" in output


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["dev\n", "yes\n", "\n"])
def test_another_name_than_the_environments_changes_nothing(
    cluster: RestoreCluster, git: Git, typed: str
) -> None:
    assert "so nothing was done" in str(fails(git, "--to", "latest", "--push", typed=typed))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--to", "yesterday"], "is not a valid moment"),
        (["--to", "2026-11-28 10:00"], "has no time zone"),
        (["--to", "2126-11-28 10:00 UTC"], "is not in the past"),
        (["--to", "2020-01-01 00:00 UTC"], "is before what is kept"),
        (["--backup", "20200101-000000F"], "is not a backup that is kept"),
        (["--to", "latest", "--backup", FULL], "are both given"),
        (["--to", "latest", "--timeline", "7"], "holds no timeline 7; it holds 1, 2"),
    ],
)
def test_what_is_not_kept_is_refused_and_nothing_changed(
    cluster: RestoreCluster, git: Git, words: list[str], sentence: str
) -> None:
    error = fails(git, *words, "--push")

    assert sentence in str(error)
    assert isinstance(error, InputError)
    assert "--t" in error.hint or "--backup" in error.hint


def test_an_environment_without_backups_is_refused(cluster: RestoreCluster, git: Git) -> None:
    git.commit(OVERLAY, "components: [server, rotation, storage]\n")

    assert "prod's database has no backups in git" in str(fails(git, "--to", "latest"))


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ([], "--use-latest-restorable-time"),
        (["--to", "latest"], "--use-latest-restorable-time"),
        (["--to", "2026-11-28 10:00 UTC"], "--restore-time 2026-11-28T10:00:00Z"),
    ],
)
def test_a_database_outside_is_refused_with_the_commands_of_aws(
    cluster: RestoreCluster, git: Git, words: list[str], moment: str
) -> None:
    git.commit(OVERLAY, f"components: [rotation, {outside.COMPONENT}]\n")
    git.commit("settings.yaml", "database_host: space.abc.us-east-1.rds.amazonaws.com\n")

    error = fails(git, *words)

    assert "prod's database is outside the cluster, so its backups are not here" in str(error)
    assert f"--target-db-instance-identifier space-2 {moment} " in error.hint
    assert error.hint.endswith("make configure DATABASE_HOST=HOST")


def test_a_database_of_somebody_else_is_refused_without_commands_of_aws(
    cluster: RestoreCluster, git: Git
) -> None:
    git.commit(OVERLAY, f"components: [rotation, {outside.COMPONENT}]\n")
    git.commit("settings.yaml", "database_host: pg.example.org\n")

    assert fails(git, "--to", "latest").hint.startswith("Ask who runs pg.example.org")


def test_backups_that_are_in_git_and_not_yet_in_the_cluster_are_refused(
    cluster: RestoreCluster, git: Git
) -> None:
    cluster.has_backups = False

    assert "the database in coworking-prod has no backups" in str(fails(git, "--to", "latest"))


def test_another_cluster_than_argo_cds_is_refused(cluster: RestoreCluster, git: Git) -> None:
    cluster.uid = "of-another"

    assert "another cluster than Argo CD" in str(fails(git, "--to", "latest", "--push"))


def test_a_cluster_that_does_not_answer_is_named(
    cluster: RestoreCluster, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cluster, "_answer", lambda _: (1, "", "Unable to connect to the server: EOF\n")
    )

    error = fails(git, "--to", "latest", "--push")

    assert str(error) == "kubectl can't ask the cluster: Unable to connect to the server: EOF"
    assert "KUBECONFIG" in error.hint


def test_a_pod_that_can_not_be_asked_says_what_it_waits_for(
    cluster: RestoreCluster, git: Git
) -> None:
    cluster.stage, cluster.refusal, cluster.restarts = "filling", "Another database's data.", 3

    error = fails(git, "--to", "latest", "--push")

    assert "its claim can't be filled: Another database's data." in str(error)
    assert "Revert the restore" in error.hint


# --- what happens meanwhile ----------------------------------------------------------------------


def test_a_claim_that_can_not_be_filled_ends_with_its_sentence_and_the_way_back(
    cluster: RestoreCluster, git: Git
) -> None:
    cluster.refusal = "The log can't be replayed: recovery ended before the target was reached."

    with pytest.raises(CiError) as caught:
        run(git, "--to", f"{AT} UTC", "--push")

    assert f"data-postgresql-1 can't be filled: {cluster.refusal}" in str(caught.value)
    assert f"git revert {git.tip()[:12]} && git push" in caught.value.hint


def test_a_restore_that_is_done_ends_well_while_git_is_away(
    cluster: RestoreCluster, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(git, "--to", "latest", "--push")
    tips = itertools.count(1)
    tip = Access.tip

    def away(access: Access, branch: str) -> str:
        if next(tips) > 2:  # what git names, and what Argo CD is to sync
            raise RemoteError("git is away")
        return tip(access, branch)

    monkeypatch.setattr(Access, "tip", away)

    output = run(git, "--to", "latest", "--push", typed="")

    assert "prod serves latest from data-postgresql-1" in output
    assert f"Reverting the newest commit of {FILE} goes back to it." in output


def test_auto_sync_that_is_off_is_named(cluster: RestoreCluster, git: Git) -> None:
    cluster.auto_sync = False

    assert "auto-sync of postgres-prod is off" in str(fails(git, "--to", "latest", "--push"))


def test_a_sync_that_fails_ends_it(cluster: RestoreCluster, git: Git) -> None:
    cluster.sync_failure = "one or more objects failed to apply"

    with pytest.raises(CiError, match="sync of postgres-prod failed: one or more objects"):
        run(git, "--to", "latest", "--push")


def test_rollups_that_differ_end_it_with_the_fix(cluster: RestoreCluster, git: Git) -> None:
    cluster.verified = [(1, "2026-11-28 09:00: 4 and 5\n1 differences; `coworking rebuild`")]

    with pytest.raises(CiError, match="rollups differ from the restored tokens") as caught:
        run(git, "--to", "latest", "--push")

    assert "coworking rebuild" in caught.value.hint


def test_an_older_schema_is_migrated_by_a_sync_of_the_service(
    cluster: RestoreCluster, git: Git
) -> None:
    cluster.verified = [(4, "the schema is older"), (4, "the schema is older"), (0, "equal")]

    output = run(git, "--to", "latest", "--push")

    assert cluster.synced == ["coworking-prod"]
    assert "older than the service" in output
