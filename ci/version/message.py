"""The text of a deploying commit, and how it is read back: `history` and the next build rely on it.

deploy(dev): coworking 56-0a1b2c3d -> 57-1f2e3d4c [skip ci]

Source-Commit: 1f2e3d4c…
Build: 57
Image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking:57-1f2e3d4c
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# CodeBuild and GitHub Actions start nothing for a push whose last commit contains this.
SKIP_CI = "[skip ci]"
# A revert or a commit by hand has none of these: that is how we recognize them.
TRAILERS = ("Source-Commit", "Build", "Image", "Reason", "Promoted-From", "Gate-Override")
_TRAILER = re.compile(rf"(?P<name>{'|'.join(TRAILERS)}): (?P<value>.*)")
# GitHub appends the pull request's number to the title that it squashes under.
_SUBJECT = re.compile(
    r"deploy\((?P<environment>[^()]+)\): (?P<image>\S+) \S+ -> (?P<new>\S+)"
    r"(?: \(#\d+\)| \[skip ci\])*"
)
_PERSON = re.compile(r"(?P<name>.*) <[^>]*> (?P<seconds>\d{1,12}) [+-]\d{4}")
_LAST = 253_402_300_799  # the end of the year 9999: git knows later ones, Python does not
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Deployment(NamedTuple):
    """What a commit that changes a tag says about itself.

    Attributes:
        environment: `dev`, `prod`.
        image: the image's short name.
        old: the tag before, as the file had it.
        new: the tag after.
        trailers: see TRAILERS; those without a value are left out.
        body: a paragraph for people, or an empty string.
    """

    environment: str
    image: str
    old: str
    new: str
    trailers: Mapping[str, str]
    body: str = ""

    @property
    def subject(self) -> str:
        """The first line, which alone says what is deployed where."""
        return f"deploy({self.environment}): {self.image} {self.old} -> {self.new}"

    def text(self, *, skip_ci: bool) -> str:
        """Write the commit message."""
        subject = f"{self.subject} {SKIP_CI}" if skip_ci else self.subject
        trailers = "\n".join(f"{name}: {value}" for name, value in self.trailers.items() if value)
        return "\n\n".join(filter(None, (subject, self.body, trailers))) + "\n"


class Message(NamedTuple):
    """A commit object, read.

    Attributes:
        author: who made the change.
        at: when it was committed.
        subject: the first line.
        paragraphs: the `Name: value` lines of each paragraph. GitHub's squash merge puts the texts
            of several commits into one, and a co-author into a paragraph of its own.
        is_merge: whether it has more than one parent.
    """

    author: str
    at: datetime
    subject: str
    paragraphs: tuple[Mapping[str, str], ...]
    is_merge: bool = False

    @property
    def trailers(self) -> dict[str, str]:
        """The `Name: value` lines of the whole message; the last one of a name counts."""
        return {name: value for lines in self.paragraphs for name, value in lines.items()}

    def about(self, tag: str | None) -> Message:
        """Return it without the paragraphs that name another tag's Image than this one's."""
        told = [
            lines.get("Image", "").rpartition("/")[2].partition(":")[2] for lines in self.paragraphs
        ]
        kept = (
            lines for lines, other in zip(self.paragraphs, told, strict=True) if other in ("", tag)
        )
        return self._replace(paragraphs=tuple(kept))

    def deploys(self, environment: str, image: str, tag: str | None) -> bool:
        """Whether its subject says so: all that is left where a merge dropped the trailers."""
        found = _SUBJECT.fullmatch(self.subject)
        return found is not None and found.groups() == (environment, image, tag)

    @classmethod
    def parse(cls, commit: bytes) -> Message:
        """Read a commit object, as `git cat-file commit` prints it."""
        head, _, message = commit.decode(errors="replace").partition("\n\n")
        fields = dict(line.partition(" ")[::2] for line in head.splitlines())
        committed = _PERSON.fullmatch(fields.get("committer", ""))
        written = _PERSON.fullmatch(fields.get("author", ""))
        # What comes from a web form has carriage returns.
        text = message.replace("\r\n", "\n").strip()
        return cls(
            written["name"] if written else "",
            datetime.fromtimestamp(min(int(committed["seconds"]), _LAST) if committed else 0, UTC),
            text.partition("\n")[0],
            tuple(filter(None, map(_trailers, re.split(r"\n[ \t]*\n", text)))),
            head.count("\nparent ") > 1,
        )


def _trailers(paragraph: str) -> dict[str, str]:
    found = (_TRAILER.fullmatch(line.strip()) for line in paragraph.splitlines())
    return {match["name"]: match["value"].strip() for match in found if match}


def environment_of(overlay: str) -> str:
    """Name the environment that a folder belongs to: the part after `overlays`, else its own name.

    >>> environment_of("overlays/dev/coworking/image")
    'dev'
    """
    parts = PurePosixPath(overlay).parts
    if "overlays" in parts[:-1]:
        return parts[parts.index("overlays") + 1]
    return parts[-1]


def short_name(image: str) -> str:
    """Name an image without its registry."""
    return image.rsplit("/", 1)[-1]


def full_commit(text: str) -> str | None:
    """Return the text if it is a whole object name, as Source-Commit has it, else None."""
    return text if _COMMIT.fullmatch(text) else None


def one_line(text: str, what: str) -> str:
    """Return a person's words for a trailer, or raise an InputError when they can't be one."""
    text = text.strip()
    if not text or not text.isprintable():
        raise InputError(
            f"{what} {text!r} is not one line of text",
            hint=f'Say it in a sentence: --{what} "the report counted twice, see the incident".',
        )
    return text
