"""A commit that changes files: what is in it, and how `git fast-import` is told to make it."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """A commit's author and committer."""

    name: str
    email: str


MACHINE = Identity("coworking-deploy", "coworking-deploy@users.noreply.invalid")


class File(NamedTuple):
    """A file in a commit: its mode (`100644`) and its bytes."""

    mode: str
    data: bytes


class Edit(NamedTuple):
    """A file of a commit, the commit's message, and the other files that it changes."""

    path: str
    file: File
    message: str
    others: tuple[tuple[str, File], ...] = ()


def written(parent: str, change: Edit, identity: Identity, *, ref: str) -> bytes:
    """Write a commit that changes files of its parent; git then prints its object name.

    Args:
        parent: the commit to build on.
        change: the files and the message.
        identity: who it is by.
        ref: the ref that names it meanwhile.
    """
    who = " ".join((_plain(identity.name), f"<{_plain(identity.email)}>", "now"))
    message = change.message.encode()
    lines = [
        f"commit {ref}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(message)}\n".encode(),
        message,
        f"\nfrom {parent}\n".encode(),
        *(_changed(*each) for each in ((change.path, change.file), *change.others)),
        b"get-mark :1\n",
    ]
    return b"".join(lines)


def _changed(path: str, file: File) -> bytes:
    """A file's new content."""
    path = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    head = f'M {file.mode} inline "{path}"\ndata {len(file.data)}\n'
    return b"".join((head.encode(), file.data, b"\n"))


def _plain(name: str) -> str:
    """A name as git itself would write it: without what ends a name."""
    return "".join(sign for sign in name if sign not in "<>\n\0").strip()
