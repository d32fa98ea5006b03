"""What GitHub's squash merge leaves of a deployment's message, and what the order is then."""

from __future__ import annotations

from typing import Any

import pytest

from ci.version.message import Message
from tests.ci.verbs import in_this_process

Remote = Any
OVERLAY = "overlays/dev/coworking/image"
SUBJECT = "deploy(dev): coworking 1 -> manual-v1 (#12)"
TRAILERS = """Source-Commit: {commit}
Image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking:manual-v1
Reason: counted twice"""


def put_in(remote: Remote, tag: str, message: str) -> None:
    """Write a tag as a squash merge does, with what it made of the message."""
    remote.person.pull()
    file = remote.person.folder / OVERLAY / "kustomization.yaml"
    lines = file.read_text().splitlines(keepends=True)
    tag_line = f'  - newTag: "{tag}"\n'
    file.write_text("".join(tag_line if "- newTag" in each else each for each in lines))
    options = ("-q", "-a", "--allow-empty-message", "--cleanup=verbatim", "-m", message)
    remote.person.git("commit", *options)
    remote.person.push()


@pytest.mark.parametrize(
    "message",
    [
        f"{SUBJECT}\n\n{TRAILERS}\n\nCo-authored-by: Bob <bob@example.org>\n",
        f"Fix it (#12)\r\n\r\n{TRAILERS}\r\n\r\n---------\r\n\r\nCo-authored-by: Bob <b@x>",
        f"""Fix it (#12)

* deploy(dev): bookings 1 -> 2-00000000

Source-Commit: {"0" * 40}
Image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/bookings:2-00000000

* {SUBJECT}

{TRAILERS}

* Words
""",
    ],
)
def test_a_squashed_hotfix_keeps_its_commit(remote: Remote, message: str) -> None:
    """Only the last paragraph was read: an older commit's late build replaced the hotfix."""
    first, older, fixed = (remote.person.ship() for _ in range(3))
    remote.deploy(1, first)
    put_in(remote, "manual-v1", message.format(commit=fixed))
    answer = remote.deploy(2, older)
    assert (answer.json["reason"], answer.json["because"]) == ("older-commit", fixed)
    assert remote.deploy(3, fixed).json["result"] == "pushed"


@pytest.mark.parametrize("message", [SUBJECT, "", "Fix it (#12)"])
def test_where_the_commit_is_lost_the_order_is_unknown(remote: Remote, message: str) -> None:
    first, older, fixed = (remote.person.ship() for _ in range(3))
    remote.deploy(1, first)
    put_in(remote, "manual-v1", message)
    tip = remote.tip
    for commit in (older, fixed):
        answer = remote.set_image(f"2-{commit[:8]}")
        assert (answer.status, answer.json["code"]) == (6, 6)
        assert "manual-v1 runs, and git doesn't say which commit" in answer.json["error"]
    assert remote.tip == tip
    assert remote.deploy(4, remote.person.ship()).json["result"] == "pushed"


@pytest.mark.parametrize("message", ["deploy(dev): coworking none -> 5 (#12)", "", "Deploy (#3)"])
def test_a_pipelines_tag_names_its_commit_itself(remote: Remote, message: str) -> None:
    older, newer = remote.person.ship(), remote.person.ship()
    put_in(remote, f"5-{newer[:8]}", message)
    assert remote.deploy(6, older).json["reason"] == "older-commit"


def test_a_promotion_whose_title_alone_was_kept_is_still_one(remote: Remote) -> None:
    """It was "by hand"."""
    commit = remote.person.ship()
    remote.deploy(1, commit)
    tag = f"2-{commit[:8]}"
    put_in(remote, tag, f"deploy(dev): coworking 1-{commit[:8]} -> {tag} (#12)")
    done = in_this_process("history", "dev", "--url", remote.url, "--limit", "1")
    assert f"{tag}            build 2 of {commit[:8]}" in done.stdout


def test_a_subject_says_what_is_deployed_only_as_a_whole() -> None:
    def says(subject: str) -> bool:
        message = Message.parse(f"tree x\n\n{subject}\n".encode())
        return message.deploys("dev", "coworking", "manual-v1")

    assert says(SUBJECT)
    assert says("deploy(dev): coworking a -> manual-v1 [skip ci]")
    assert not says("deploy(prod): coworking a -> manual-v1")
    assert not says("deploy(dev): bookings a -> manual-v1")
    assert not says("deploy(dev): coworking a -> manual-v10")
    assert not says(f'Revert "{SUBJECT}"')
