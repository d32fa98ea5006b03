"""What the remote can answer, and what becomes of a build then."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from ci.git.push import REASONS, Verdict, judge_connection, judge_push
from ci.git.remote import branch_name, check_branch

Remote = Any
Server = Any


@pytest.mark.parametrize("hook", ["pre-receive", "update", "reference-transaction"])
def test_a_hook_that_refuses_stops_it_at_once(remote: Remote, hook: str) -> None:
    """Its words sound like a lost race and like an HTTP error, and are neither."""
    commit = remote.person.ship()
    remote.hook(hook, "echo 'fetch first: non-fast-forward, error: 403' >&2; exit 1")
    answer = remote.set_image(f"7-{commit[:8]}")
    assert (answer.status, answer.json["code"], answer.json["attempts"]) == (3, 3, 1)
    assert "main refuses the push: " in answer.json["error"]
    assert "--pr-branch" in answer.stderr
    if hook != "reference-transaction":  # git shows no words of that one
        assert "remote: fetch first: non-fast-forward, error: 403" in answer.stderr
    assert remote.tip == commit


PROTECT_MAIN = '[ "$1" != refs/heads/main ]'


def test_a_protected_branch_gets_a_branch_to_merge_and_finds_it_again(remote: Remote) -> None:
    commit = remote.person.ship()
    remote.hook("update", PROTECT_MAIN)
    first = remote.deploy(7, commit, pr_branch=True)
    branch = f"deploy/dev/coworking-7-{commit[:8]}"
    assert (first.json["result"], first.json["branch"]) == ("pr", branch)
    assert (first.json["tip"], first.json["current"]) == (commit, "none")
    assert f'"7-{commit[:8]}"' in remote.file(at=branch)
    # [skip ci] would keep the pull request's checks from running.
    assert remote.git("log", "-1", "--format=%s", branch).strip() == (
        f"deploy(dev): coworking none -> 7-{commit[:8]}"
    )
    again = remote.deploy(7, commit, pr_branch=True)
    assert (again.json["result"], again.json["branch"]) == ("pr", branch)
    assert again.json["commit"] == first.json["commit"]
    assert remote.tip == commit


def test_where_no_branch_is_allowed_the_refused_one_is_named(remote: Remote) -> None:
    commit = remote.person.ship()
    remote.hook("update", "exit 1")
    answer = remote.set_image(f"7-{commit[:8]}", pr_branch=True)
    assert answer.status == 3
    assert answer.json["error"].startswith(f"deploy/dev/coworking-7-{commit[:8]} refuses the push")


def test_with_an_open_branch_no_branch_of_its_own_is_made(remote: Remote) -> None:
    answer = remote.deploy(7, remote.person.ship(), pr_branch=True)
    assert (answer.json["result"], answer.json["branch"]) == ("pushed", "main")
    assert remote.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_a_branch_that_says_something_else_is_not_overwritten(remote: Remote) -> None:
    commit = remote.person.ship()
    remote.person.git(
        "push", "-q", "origin", f"HEAD:refs/heads/deploy/dev/coworking-7-{commit[:8]}"
    )
    remote.hook("update", PROTECT_MAIN)
    answer = remote.set_image(f"7-{commit[:8]}", pr_branch=True)
    assert answer.status == 3
    assert "exists and has the tag 'none'" in answer.json["error"]


def test_a_branch_that_was_merged_and_taken_back_goes_on_from_the_tip(remote: Remote) -> None:
    """The old commit was called waiting, and merging it again did nothing."""
    commit = remote.person.ship()
    hook = remote.hook("update", PROTECT_MAIN)
    branch = remote.deploy(7, commit, pr_branch=True).json["branch"]
    hook.rename(hook.with_suffix(".off"))
    remote.person.git("fetch", "-q", "origin", branch)
    remote.person.git("merge", "-q", "--no-ff", "--no-edit", "FETCH_HEAD")
    remote.person.git("revert", "--no-edit", "-m1", "HEAD")
    remote.person.push()
    hook.with_suffix(".off").rename(hook)
    assert remote.deploy(7, commit, pr_branch=True).json["reason"] == "reverted"
    again = remote.deploy(7, commit, pr_branch=True, again=True).json
    assert (again["result"], again["branch"]) == ("pr", branch)
    assert remote.git("rev-list", "--count", f"main..{branch}").strip() == "1"
    assert f'"7-{commit[:8]}"' in remote.file(at=branch)


def test_a_branch_that_cannot_be_merged_any_more_is_not_called_waiting(remote: Remote) -> None:
    commit = remote.person.ship()
    hook = remote.hook("update", PROTECT_MAIN)
    remote.deploy(7, commit, pr_branch=True)
    hook.rename(hook.with_suffix(".off"))
    remote.deploy(6, commit)
    hook.with_suffix(".off").rename(hook)
    answer = remote.set_image(f"7-{commit[:8]}", pr_branch=True)
    assert answer.status == 3
    assert f"replaces the tag 'none'; now there is '6-{commit[:8]}'" in answer.json["error"]
    assert "Delete it" in answer.stderr


@pytest.mark.parametrize("tag", ["v1..2", "v1.", "v1.lock", ".v1", "v1...lock.", "a b~^:?*[\\@{"])
def test_any_tag_gives_a_branch_a_name_that_git_takes(tag: str) -> None:
    check_branch(branch_name("deploy", tag, f"coworking-{tag}"))


def test_a_folder_of_any_name_gets_its_branch_to_merge(remote: Remote, kustomization: str) -> None:
    """git's refusal of the name was taken for a connection that failed."""
    folder = "overlays/..an odd?name.lock/image"
    remote.person.commit(f"{folder}/kustomization.yaml", kustomization)
    commit = remote.person.commit()
    remote.person.push()
    remote.hook("update", PROTECT_MAIN)
    branch = remote.deploy(7, commit, overlay=folder, pr_branch=True).json["branch"]
    assert check_branch(branch).endswith(f"/coworking-7-{commit[:8]}")
    remote.git("rev-parse", "--verify", f"refs/heads/{branch}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x.git",
        "http://no-such-host.invalid/x.git",
        "file:///no/such/repository.git",
        "/no/such/repository.git",
    ],
)
def test_a_remote_that_cannot_be_reached_is_named(remote: Remote, url: str) -> None:
    answer = remote.set_image("7-1f2e3d4c", url=url)
    assert (answer.status, answer.json["code"]) == (5, 5)
    assert url in answer.json["error"]
    assert answer.json["attempts"] <= 3


def test_a_remote_that_never_answers_is_given_up_within_the_budget(remote: Remote) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        began = time.monotonic()
        answer = remote.set_image("7-1f2e3d4c", url=url, budget=2)
    assert (answer.status, answer.json["code"]) == (5, 5)
    assert time.monotonic() - began < 20


def test_a_token_that_may_only_read_is_told_so(remote: Remote, server: Server) -> None:
    commit = remote.person.ship()
    server.refuse_pushes = True
    answer = remote.set_image(f"7-{commit[:8]}", url=server.url, env={"GIT_TOKEN": server.token})
    assert (answer.status, answer.json["attempts"]) == (5, 1)
    assert "returned error: 403" in answer.json["error"]


def test_a_push_whose_answer_is_lost_is_not_made_twice(remote: Remote, server: Server) -> None:
    commit = remote.person.ship()
    server.drop_answers = 1
    answer = remote.deploy(7, commit, url=server.url, env={"GIT_TOKEN": server.token})
    assert (answer.json["result"], answer.json["attempts"]) == ("pushed", 2)
    assert (answer.json["previous"], answer.json["current"]) == ("none", f"7-{commit[:8]}")
    assert answer.json["tip"] == remote.tip
    assert remote.git("rev-list", "--count", f"{commit}..main").strip() == "1"


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        ("fetch first", Verdict.RACE),
        ("cannot lock ref 'refs/heads/main': is at 1f2e but expected 403", Verdict.RACE),
        ("reference already exists", Verdict.RACE),
        ("unpacker error", Verdict.NETWORK),
        ("pre-receive hook declined", Verdict.POLICY),
        ("protected branch hook declined", Verdict.POLICY),
        ("push declined due to repository rule violations", Verdict.POLICY),
        ("a reason that no git had when this was written", Verdict.POLICY),
    ],
)
def test_the_reason_for_our_ref_decides(reason: str, verdict: Verdict) -> None:
    stdout = (
        "To https://example.org/403.git\n"
        "!\tHEAD:refs/heads/other\t[rejected] (non-fast-forward)\n"
        f"!\t1f2e:refs/heads/main\t[remote rejected] ({reason})\nDone\n"
    )
    refusal = judge_push(1, stdout, "remote: fetch first\n", "refs/heads/main")
    assert refusal == (verdict, reason, "remote: fetch first\n")


@pytest.mark.parametrize(
    ("stderr", "verdict"),
    [
        ("fatal: Authentication failed for 'https://example.org/x.git/'", Verdict.DENIED),
        (
            "fatal: unable to access 'https://example.org/': The requested URL returned error: 503",
            Verdict.NETWORK,
        ),
        (
            "fatal: unable to access 'https://example.org/': The requested URL returned error: 429",
            Verdict.NETWORK,
        ),
        (
            "fatal: unable to access 'https://example.org/error: 403/': Could not resolve host: x",
            Verdict.NETWORK,
        ),
        ("remote: fatal: Authentication failed for 'x'\nfatal: early EOF", Verdict.NETWORK),
        ("git@example.org: Permission denied (publickey).\nfatal: Could not read", Verdict.DENIED),
        ("fatal: repository 'https://example.org/x.git/' not found", Verdict.DENIED),
        ("", Verdict.NETWORK),
    ],
)
def test_only_gits_own_last_words_decide_about_a_connection(stderr: str, verdict: Verdict) -> None:
    assert judge_connection(stderr).verdict is verdict


def test_no_reason_is_listed_as_policy_because_policy_is_what_is_left() -> None:
    assert Verdict.POLICY not in {verdict for _, verdict in REASONS}


def test_an_entry_without_new_name_is_refused(remote: Remote) -> None:
    """It went out as coworking:TAG of Docker Hub."""
    commit = remote.person.ship()
    file = "overlays/dev/coworking/image/kustomization.yaml"
    lines = remote.file().splitlines(keepends=True)
    remote.person.commit(file, "".join(line for line in lines if "newName" not in line))
    remote.person.push()
    tip = remote.tip
    answer = remote.set_image(f"7-{commit[:8]}")
    assert answer.status == 2
    assert "has no newName, so it means an image of Docker Hub" in answer.json["error"]
    assert remote.tip == tip


def test_an_entry_that_is_called_as_the_registry_needs_no_new_name(
    remote: Remote, registry: str
) -> None:
    commit = remote.person.ship()
    entry = f'images:\n- name: {registry}\n  newTag: "none"\n'
    remote.person.commit("overlays/dev/coworking/image/kustomization.yaml", entry)
    remote.person.push()
    answer = remote.set_image(f"7-{commit[:8]}", image=registry)
    assert answer.json["result"] == "pushed", answer
    assert f'- name: {registry}\n  newTag: "7-{commit[:8]}"\n' in remote.file()


@pytest.mark.parametrize(
    "words",
    ["GH006: Protected branch update failed for refs/heads/main.", "GH013: a rule", "Not yet"],
)
def test_the_remotes_own_reason_is_a_field_of_the_answer(remote: Remote, words: str) -> None:
    commit = remote.person.ship()
    remote.hook("pre-receive", f'echo "{words}" >&2; echo "- a second line" >&2; exit 1')
    answer = remote.set_image(f"7-{commit[:8]}")
    assert answer.status == 3
    assert answer.json["remote"].splitlines() == [words, "- a second line"]
