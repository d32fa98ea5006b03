"""The text of a deploying commit, how it is read back, and which tags there are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ci.errors import InputError
from ci.version.message import (
    Deployment,
    Message,
    environment_of,
    full_commit,
    one_line,
    short_name,
)
from ci.version.tag import PipelineTag, check_tag

COMMIT = "1f2e3d4c" * 5
OBJECT = """\
tree {tree}
{parents}author Ann Lee <ann@example.org> 1700000000 +0100
committer Bob <bob@example.org> {seconds} +0000

{message}"""


def read(message: str, *, parents: int = 1, seconds: int = 1_700_000_060) -> Message:
    lines = f"parent {COMMIT}\n" * parents
    text = OBJECT.format(tree=COMMIT, parents=lines, seconds=seconds, message=message)
    return Message.parse(text.encode())


def test_a_deployment_is_written_and_read_back() -> None:
    trailers = {"Source-Commit": COMMIT, "Build": "57", "Image": "x.example/coworking:57-1f2e3d4c"}
    made = Deployment("dev", "coworking", "56-0a1b2c3d", "57-1f2e3d4c", trailers | {"Reason": ""})

    text = made.text(skip_ci=True)

    assert text == (
        "deploy(dev): coworking 56-0a1b2c3d -> 57-1f2e3d4c [skip ci]\n\n"
        f"Source-Commit: {COMMIT}\nBuild: 57\nImage: x.example/coworking:57-1f2e3d4c\n"
    )
    found = read(text)
    assert found.trailers == trailers
    assert found.deploys("dev", "coworking", "57-1f2e3d4c")
    assert made.text(skip_ci=False).startswith(f"{made.subject}\n\nSource-Commit")
    assert made._replace(body="Why.").text(skip_ci=False).split("\n\n")[1] == "Why."


def test_a_commit_tells_who_made_it_and_when_it_was_committed() -> None:
    found = read("Subject\n\nBody\n")
    assert (found.author, found.subject) == ("Ann Lee", "Subject")
    assert found.at == datetime.fromtimestamp(1_700_000_060, UTC)
    assert found.paragraphs == ()


@pytest.mark.parametrize(
    ("seconds", "year"), [(253_402_300_799, 9999), (253_402_300_800, 9999), (0, 1970)]
)
def test_a_time_that_python_does_not_know_is_its_last(seconds: int, year: int) -> None:
    assert read("x", seconds=seconds).at.year == year


@pytest.mark.parametrize(("parents", "is_merge"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_merge_has_more_than_one_parent(parents: int, is_merge: bool) -> None:
    assert read("x", parents=parents).is_merge is is_merge


def test_of_a_squash_only_the_paragraphs_about_the_tag_count() -> None:
    found = read(
        "Two deployments (#7)\r\n\r\n"
        "Image: x/coworking:1-aaaaaaa\r\nBuild: 1\r\n \r\n"
        "Image: x/coworking:2-bbbbbbb\nBuild: 2\n\nReason: both\n"
    )
    assert len(found.paragraphs) == 3
    assert found.trailers["Build"] == "2"
    assert found.about("1-aaaaaaa").trailers == {
        "Image": "x/coworking:1-aaaaaaa",
        "Build": "1",
        "Reason": "both",
    }
    assert found.about("3-ccccccc").trailers == {"Reason": "both"}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("deploy(dev): coworking a -> b", True),
        ("deploy(dev): coworking a -> b (#12) [skip ci]", True),
        ("deploy(dev): coworking a -> b and more", False),
        ("deploy(prod): coworking a -> b", False),
        ("deploy(dev): other a -> b", False),
        ("deploy(dev): coworking b -> a", False),
        ('Revert "deploy(dev): coworking a -> b"', False),
    ],
)
def test_a_subject_alone_says_what_is_deployed(subject: str, expected: bool) -> None:
    assert read(subject).deploys("dev", "coworking", "b") is expected


@pytest.mark.parametrize(
    ("folder", "environment"),
    [
        ("overlays/dev/coworking/image", "dev"),
        ("apps/overlays/prod", "prod"),
        ("overlays", "overlays"),
        ("somewhere/stage", "stage"),
    ],
)
def test_the_environment_of_a_folder_is_the_part_after_overlays(
    folder: str, environment: str
) -> None:
    assert environment_of(folder) == environment


def test_the_short_name_of_an_image_has_no_registry() -> None:
    assert [short_name(each) for each in ("a.example/b/c", "c")] == ["c", "c"]


@pytest.mark.parametrize(("digits", "is_whole"), [(39, 0), (40, 1), (41, 0), (63, 0), (64, 1)])
def test_a_whole_object_name_has_40_or_64_digits(digits: int, is_whole: int) -> None:
    name = "a" * digits
    assert full_commit(name) == (name if is_whole else None)


def test_a_reason_is_one_line() -> None:
    assert one_line("  it counted twice ", "reason") == "it counted twice"
    for text in ("", "  ", "two\nlines", "a\tb"):
        with pytest.raises(InputError, match="is not one line of text"):
            one_line(text, "reason")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("57-1f2e3d4", (57, "1f2e3d4")),
        (f"57-{COMMIT}", (57, COMMIT)),
        ("1234567890-1f2e3d4", (1_234_567_890, "1f2e3d4")),
        ("57-1f2e3d", None),  # six digits
        (f"57-{COMMIT}a", None),
        ("12345678901-1f2e3d4", None),
        ("0-1f2e3d4", None),
        ("057-1f2e3d4", None),
        ("57-1F2E3D4", None),
        ("v57-1f2e3d4", None),
    ],
)
def test_a_pipelines_tag_is_a_build_and_a_commit(
    text: str, expected: tuple[int, str] | None
) -> None:
    found = PipelineTag.match(text)
    assert (tuple(found) if found else None) == expected


@pytest.mark.parametrize("text", ["a", "_a", "manual-v1.0.0", "a" * 128])
def test_a_registry_accepts_this_tag(text: str) -> None:
    assert check_tag(text) == text


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "a:b", "a" * 129, "ä"])
def test_a_registry_accepts_no_other_tag(text: str) -> None:
    with pytest.raises(InputError, match="is not a tag that a registry accepts"):
        check_tag(text)
