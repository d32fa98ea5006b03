"""An overlay's file and its history, as a branch has them: linear, merged, long and broken."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import InputError
from ci.git.access import open_remote
from ci.version.image_file import ImageFile, check_folder
from tests.ci.conftest import FILE, KUSTOMIZATION, OVERLAY

if TYPE_CHECKING:
    from collections.abc import Iterator

Remote = Any
SOURCE = "1f2e3d4c" * 5


@contextlib.contextmanager
def opened(remote: Remote) -> Iterator[ImageFile]:
    with open_remote(remote.url, {}) as access:
        yield ImageFile(access.repository, access.tip("main"), OVERLAY, "coworking")


def content(tag: str) -> str:
    return KUSTOMIZATION.replace("newTag: none", f'newTag: "{tag}"')


def put(remote: Remote, *changes: tuple[str, str]) -> None:
    """Commit one content of the file after another to main, each with its message."""
    parts = []
    for number, (text, message) in enumerate(changes):
        parts.append(
            "commit refs/heads/main\n"
            f"committer Bot <bot@example.org> {1_700_000_000 + number} +0000\n"
            f"data {len(message.encode())}\n{message}\n"
            + ("from refs/heads/main^0\n" if number == 0 else "")
            + f"M 100644 inline {FILE}\ndata {len(text.encode())}\n{text}\n"
        )
    command = ["git", f"--git-dir={remote.path}", "fast-import", "--quiet"]
    subprocess.run(command, input="".join(parts).encode(), check=True)


def write(remote: Remote, tag: str, message: str) -> str:
    """Commit a tag in the person's clone."""
    person = remote.person
    person.commit(FILE, content(tag))
    person.git("commit", "-q", "--amend", "-m", message)
    commit: str = person.git("rev-parse", "HEAD")
    return commit


def told(remote: Remote) -> list[tuple[str | None, str]]:
    """The changes of the file on the branch: tag and subject, newest first."""
    with opened(remote) as overlay:
        return [(each.version.tag, each.message.subject) for each in overlay.records()]


FIRST = ("none", f"Change {FILE}")


def test_a_long_history_is_whole_and_in_order(remote: Remote) -> None:
    """It is read in parts: first a few commits, then the others, whose files come in batches."""
    put(remote, *[(content(f"{n}-aaaaaaaa"), f"deploy {n}") for n in range(1, 226)])
    with opened(remote) as overlay:
        tags = [each.tag for each in overlay.lineage()]
    assert tags == [*(f"{n}-aaaaaaaa" for n in range(225, 0, -1)), "none"]


@pytest.mark.parametrize("number", [18, 19, 20])
def test_no_version_is_read_twice_or_lost_where_the_parts_meet(remote: Remote, number: int) -> None:
    put(remote, *[(content(f"{n}-aaaaaaaa"), "deploy") for n in range(1, number + 1)])
    with opened(remote) as overlay:
        assert len(list(overlay.lineage())) == number + 1


def test_the_trailers_of_a_deployment_are_read_and_odd_ones_are_not(remote: Remote) -> None:
    put(
        remote,
        (content("7-1f2e3d4c"), f"a\n\nSource-Commit: {SOURCE}\nBuild: 7\nImage: r/c:7-1f2e3d4c\n"),
        (content("8"), f"b\n\nSource-Commit: {SOURCE[:12]}\nBuild: 0\n"),
        (content("9"), "c\n\nBuild: 9x\n"),
    )
    with opened(remote) as overlay:
        read = [(each.tag, each.source, each.build, each.image) for each in overlay.lineage()]
    assert read == [
        ("9", None, None, False),
        ("8", None, None, False),
        ("7-1f2e3d4c", SOURCE, 7, True),
        ("none", None, None, False),
    ]


def test_a_file_that_was_broken_then_deployed_nothing(remote: Remote) -> None:
    put(remote, ("images: 3\n", "break"), (content("2"), "repair"))
    with opened(remote) as overlay:
        assert [each.tag for each in overlay.lineage()] == ["2", None, "none"]


def test_another_images_change_is_no_version_of_this_one(remote: Remote) -> None:
    put(remote, (content("2"), "ours"), (content("2").replace("1-aaaaaaaa", "2-b"), "theirs"))
    with opened(remote) as overlay:
        assert [each.tag for each in overlay.lineage()] == ["2", "none"]


def test_a_merged_proposal_is_one_change_with_its_own_words_and_the_time_of_the_merge(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = remote.person
    person.git("switch", "-q", "-c", "proposal")
    with monkeypatch.context() as earlier:
        earlier.setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
        write(remote, "2", "Fix it")
    person.git("switch", "-q", "-")
    person.commit()
    person.git("merge", "-q", "--no-ff", "-m", "Merge #1", "proposal")
    person.push()

    with opened(remote) as overlay:
        newest, first = overlay.records()
    assert (newest.version.tag, newest.message.subject) == ("2", "Fix it")
    at = int(remote.git("log", "-1", "--format=%ct"))
    assert newest.message.at.timestamp() == at
    assert (first.version.tag, first.message.subject) == FIRST


def test_a_conflict_that_a_person_resolved_is_a_change_of_the_merge_itself(remote: Remote) -> None:
    person = remote.person
    person.git("switch", "-q", "-c", "proposal")
    write(remote, "2", "Fix it")
    person.git("switch", "-q", "-")
    write(remote, "3", "Deploy")
    person.git("merge", "-q", "--no-ff", "-s", "ours", "--no-commit", "proposal")
    write(remote, "4", "Merge #1")
    person.push()

    assert told(remote) == [("4", "Merge #1"), ("3", "Deploy"), FIRST]


def test_the_pushes_that_a_pull_merged_count_one_by_one(remote: Remote) -> None:
    person = remote.person
    start = remote.tip
    for tag in ("2", "3"):
        write(remote, tag, f"deploy {tag} [skip ci]")
    person.push()
    person.git("checkout", "-q", "--detach", start)
    person.commit("notes.txt")
    person.git("merge", "-q", "-m", "Merge branch main", remote.tip)
    person.push()

    assert told(remote) == [("3", "deploy 3 [skip ci]"), ("2", "deploy 2 [skip ci]"), FIRST]


def test_what_lies_before_or_beside_the_branch_has_no_name_there(remote: Remote) -> None:
    person = remote.person
    person.git("switch", "-q", "-c", "aside")
    beside = person.commit()
    person.git("push", "-q", "origin", "aside")
    person.git("switch", "-q", "-")
    commit = person.commit("other.txt")
    person.push()
    with opened(remote) as overlay:
        assert overlay.resolve(commit[:8]) == commit
        assert overlay.resolve(beside[:8]) is None
        assert overlay.resolve("eeeeeeee") is None
        later = overlay.at(beside)
        assert (later.tip, overlay.tip, later.entry) == (beside, commit, overlay.entry)


def test_a_tag_that_would_change_more_is_refused_and_the_file_named(remote: Remote) -> None:
    with opened(remote) as overlay, pytest.raises(InputError) as raised:
        overlay.with_tag('2" # "')
    said = "writing the newTag of image 'coworking' would change more than it"
    assert str(raised.value) == f"{FILE} can't be written: {said}"


@pytest.mark.parametrize("folder", ["", ".", "/", "/overlays/dev", "a/../b", "..", "a\nb", "a\x7f"])
def test_a_folder_outside_the_tree_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match="is not a folder inside the repository"):
        check_folder(folder)


def test_a_folder_has_one_name() -> None:
    assert check_folder("overlays//dev/./image/") == "overlays/dev/image"


AROUND = "overlays/dev/coworking/kustomization.yaml"


@pytest.mark.parametrize(
    ("overlay", "is_component"),
    [
        ("components: [image]\n", True),
        ("components: [storage, ./image/]\n", True),
        ("components: [../../dev/coworking/image]\n", True),
        ("components: [storage, ../../../base/postgres/upstream]\n", False),
        ("components: [../../prod/coworking/image]\n", False),
        ("resources: [deployment.yaml]\n", False),
        ("components:\n", False),
        ("", False),
        ("components: [image\n", True),  # nobody can tell
    ],
)
def test_a_folder_counts_where_the_overlay_around_it_has_it_as_a_component(
    remote: Remote, overlay: str, is_component: bool
) -> None:
    remote.person.commit(AROUND, overlay)
    remote.person.push()
    with opened(remote) as file:
        assert file.is_component() is is_component


def test_a_folder_that_no_overlay_is_around_stands_by_itself(remote: Remote) -> None:
    with opened(remote) as file:
        assert file.is_component()


def test_an_earlier_commit_is_asked_by_itself(remote: Remote) -> None:
    before = remote.person.commit(AROUND, "components: [storage]\n")
    after = remote.person.commit(AROUND, "components: [storage, image]\n")
    remote.person.push()
    with opened(remote) as file:
        assert [file.is_component(commit) for commit in (before, after, "")] == [False, True, True]
