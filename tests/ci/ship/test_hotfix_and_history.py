"""`python -m ci hotfix`, and `python -m ci history`, which tells of it."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import datetime
from typing import Any

import pytest

from ci.errors import InputError, RemoteError
from ci.ship import hotfix, image
from ci.tree import settings
from ci.version import scalar
from tests.ci.verbs import in_this_process

World = Any
PROD = "overlays/prod/coworking/image"


@pytest.mark.thorough
def test_a_hotfix_names_an_existing_tag_of_any_form_and_its_reason(world: World) -> None:
    result = world.ci("hotfix", "--to", "prod", "--tag", world.tag, "--reason", "counted twice")
    assert result.exit_code == 0, result.output
    assert f"prod: {world.old} -> {world.tag} in {world.remote.tip}" in result.output
    message = world.message("main")
    assert "Reason: counted twice" in message
    assert "Build: 57" in message
    assert f'newTag: "{world.tag}"' in world.remote.file(f"{PROD}/kustomization.yaml")


def test_a_tag_that_the_registry_lacks_is_refused(world: World) -> None:
    tip = world.remote.tip
    result = world.ci("hotfix", "--to", "prod", "--tag", "manual-v1.0.0", "--reason", "x")
    assert isinstance(result.exception, InputError)
    assert "has no tag 'manual-v1.0.0'" in str(result.exception)
    assert world.remote.tip == tip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tag", "-v1", "--reason", "x"], "'-v1' is not a tag"),
        (["--tag", "v1", "--reason", " "], "is not one line of text"),
        (["--to", "stage", "--tag", "v1", "--reason", "x", "--dry-run"], "there is dev or prod"),
        (["--tag", "v1", "--reason", "x\nReason: y"], "is not one line of text"),
    ],
)
def test_bad_input_is_named(world: World, words: list[str], sentence: str) -> None:
    result = world.ci("hotfix", "--to", "prod", *words)
    assert isinstance(result.exception, InputError)
    assert sentence in str(result.exception)


def test_a_dry_run_does_not_show_a_password(world: World) -> None:
    world.remote.url = "https://me:s3cret@example.org/x.git"
    result = world.ci("hotfix", "--to", "prod", "--tag", "v1", "--reason", "x", "--dry-run")
    assert isinstance(result.exception, InputError)
    assert "s3cret" not in result.output + str(result.exception)


def test_a_dry_run_changes_nothing(world: World) -> None:
    tip = world.remote.tip
    result = world.ci(
        "hotfix", "--to", "prod", "--tag", "v1", "--build", "--reason", "x", "--dry-run"
    )
    assert "build and push" in result.output
    assert world.remote.tip == tip


def test_a_built_hotfix_is_in_the_registry_before_git_names_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker is stood in for: what is asked of it, in which order, is what counts here."""
    asked: list[str] = []

    def run(command: list[Any], **_: Any) -> str:
        asked.append(" ".join(map(str, command[: 4 if command[0] == "docker" else 2])))
        return "f" * 40 if command[1] == "rev-parse" else ""

    def push(name: str) -> None:
        asked.append(f"push {name.rpartition(':')[2]}; git has it: {'v1' in world.message('main')}")

    monkeypatch.setattr(hotfix, "run", run)
    monkeypatch.setattr(image, "run", run)
    # An Apple laptop; the nodes are what the cluster's file says.
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(hotfix, "push", push)
    monkeypatch.setattr(hotfix.Ecr, "log_in", lambda _: asked.append("log in"))
    result = world.ci("hotfix", "--to", "prod", "--tag", "v1", "--build", "--reason", "x")
    assert result.exit_code == 0, result.output
    assert asked == [
        "git rev-parse",
        "git status",
        "docker build --platform linux/amd64",
        "log in",
        "push v1; git has it: False",
    ]
    # The branch doesn't have that commit, so it isn't recorded as the one that runs.
    assert "Source-Commit" not in world.message("main")


def test_a_protected_branch_gets_a_branch_to_merge(world: World) -> None:
    world.remote.hook("update", '[ "$1" != refs/heads/main ]')
    result = world.ci("hotfix", "--to", "prod", "--tag", world.tag, "--reason", "x")
    assert f"merge deploy/prod/coworking-{world.tag} to deploy it" in result.output


def test_after_a_hotfix_the_next_build_still_knows_the_order(world: World) -> None:
    running = world.remote.git(
        "log", "-1", "--format=%(trailers:key=Source-Commit,valueonly)", "main"
    ).strip()
    older = world.remote.git("rev-parse", f"{running}~1").strip()
    world.ci("hotfix", "--to", "dev", "--tag", "manual-v1", "--reason", "x", "--unchecked")
    registry = settings.read().image
    assert world.remote.deploy(90, older, registry=registry).json["reason"] == "older-commit"
    newer = world.remote.person.ship()
    assert world.remote.deploy(91, newer, registry=registry).json["result"] == "pushed"


@pytest.mark.thorough
def test_the_history_tells_what_ran_when_by_whom_and_why(world: World) -> None:
    remote = world.remote
    world.ci("promote", "--push")
    promoted = remote.tip
    world.ci("hotfix", "--to", "prod", "--tag", "v9", "--reason", "too slow", "--unchecked")
    remote.person.pull()
    remote.person.git("revert", "--no-edit", "HEAD")
    remote.person.push()
    result = world.ci("history", "prod", "--json")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [(row["tag"], row["how"], row["build"]) for row in rows] == [
        (world.tag, "reverted", 57),
        ("v9", "hotfix", None),
        (world.tag, "promotion", 57),
        (world.old, "build", 56),
        ("none", "by hand", None),
    ]
    assert rows[1]["what"] == "too slow"
    assert rows[2]["change"] == promoted
    assert (rows[3]["person"], rows[3]["what"]) == ("Person", "Change apps/app.txt")
    assert rows[3]["commit"].startswith(world.old.partition("-")[2])
    assert rows[0]["at"].endswith("+00:00")
    assert world.ci("history", "prod", "--limit", "1").output.count("\n") == 1


HISTORY_FILE = "overlays/dev/coworking/image/kustomization.yaml"


def write_history(remote: Any, kustomization: str, *changes: tuple[str, str, str]) -> None:
    """Commit tags to dev's overlay, each with its author and the rest of its message."""
    parts = []
    for number, (tag, author, message) in enumerate(changes):
        data = kustomization.replace("newTag: none", f'newTag: "{tag}"').encode()
        text = message.encode()
        parts += [
            b"commit refs/heads/main\n",
            f"committer {author} <a@example.org> {1_700_000_000 + number} +0000\n".encode(),
            b"data %d\n%s\n" % (len(text), text),
            b"from refs/heads/main^0\n" if number == 0 else b"",
            f"M 100644 inline {HISTORY_FILE}\ndata {len(data)}\n".encode() + data + b"\n",
        ]
    subprocess.run(
        ["git", f"--git-dir={remote.path}", "fast-import", "--quiet"],
        input=b"".join(parts),
        check=True,
    )


def history(remote: Any, *words: str) -> str:
    done = in_this_process("history", "dev", "--url", remote.url, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_long_history_costs_only_the_rows_that_are_asked_for(
    remote: Any, kustomization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,500 deployments took five seconds for one row: each was read and parsed."""
    changes = [(f"{n}-1f2e3d4c", "Bot", f"deploy {n}\n\nBuild: {n}\n") for n in range(1, 300)]
    write_history(remote, kustomization, *changes)
    read = 0
    find = scalar.find

    def counted(*words: Any, **named: Any) -> Any:
        nonlocal read
        read += 1
        return find(*words, **named)

    monkeypatch.setattr(scalar, "find", counted)
    assert history(remote, "--limit", "2").count("\n") == 2
    assert read < 10


def test_what_resume_wrote_is_told_as_taken_back(remote: Any, kustomization: str) -> None:
    taken_back = (
        "deploy(dev): coworking b -> a\n\nThis reverts commit 1f2e.\n\nReason: rolled back\n"
    )
    changes = [("a", "Ann", "one"), ("b", "Ann", "two"), ("a", "Bob", taken_back)]
    write_history(remote, kustomization, *changes)
    newest = json.loads(history(remote, "--json").splitlines()[0])
    assert (newest["how"], newest["what"], newest["person"]) == ("reverted", "rolled back", "Bob")


def test_a_name_cannot_steer_the_terminal(remote: Any, kustomization: str) -> None:
    write_history(remote, kustomization, ("a", "Ann \x1b[2J", "wipe \x1b]0;x\x07 the screen"))
    line = history(remote, "--limit", "1").splitlines()[0]
    assert line.isprintable()
    assert "Ann ?[2J" in line


def test_a_merged_proposal_is_told_as_what_it_was(world: World) -> None:
    """A merge has a message of its own, so a promotion and a hotfix were called `by hand`."""
    person = world.remote.person
    world.remote.hook("update", '[ "$1" != refs/heads/main ]')
    world.ci("hotfix", "--to", "prod", "--tag", world.tag, "--reason", "too slow")
    (world.remote.path / "hooks/update").unlink()
    person.pull()
    person.git("fetch", "-q", "origin", f"deploy/prod/coworking-{world.tag}")
    person.git("merge", "-q", "--no-ff", "-m", "Merge pull request #12", "FETCH_HEAD")
    person.push()
    row = json.loads(world.ci("history", "prod", "--limit", "1", "--json").output)
    assert (row["tag"], row["how"], row["what"]) == (world.tag, "hotfix", "too slow")
    merged = int(world.remote.git("log", "-1", "--format=%ct"))
    assert datetime.fromisoformat(row["at"]).timestamp() == merged


def test_what_was_pushed_before_a_pull_merged_it_is_still_told(
    remote: Any, kustomization: str
) -> None:
    """Such a merge has the branch as its second parent, and hid every deployment in it."""
    person, start = remote.person, remote.tip
    subject = "deploy(dev): a -> b [skip ci]\n\nBuild: 1\nImage: x\n"
    write_history(remote, kustomization, ("b", "Bot", subject), ("c", "Bot", subject))
    person.git("checkout", "-q", "--detach", start)
    person.commit("notes.txt")
    person.git("fetch", "-q", "origin")
    person.git("merge", "-q", "--no-edit", "origin/main")
    person.push()
    rows = [json.loads(line) for line in history(remote, "--json").splitlines()]
    assert [(row["tag"], row["how"]) for row in rows] == [
        ("c", "build"),
        ("b", "build"),
        ("none", "by hand"),
    ]
    assert rows[0]["at"] == "2023-11-14T22:13:21+00:00"


@pytest.mark.parametrize("verb", [["history", "dev"], ["promote"]])
def test_a_repository_that_cannot_be_read_is_named(world: World, verb: list[str]) -> None:
    world.remote.url = "file:///no/such/repository.git"
    result = world.ci(*verb)
    assert isinstance(result.exception, RemoteError)
    assert "file:///no/such/repository.git can't be read" in str(result.exception)
