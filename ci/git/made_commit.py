"""A commit that changes one file: what is in it, and how `git fast-import` is told to make it."""

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
    """One file of a commit, and the commit's message."""

    path: str
    file: File
    message: str


def written(parent: str, change: Edit, identity: Identity, *, ref: str) -> bytes:
    """Write a commit that changes one file of its parent; git then prints its object name.

    Args:
        parent: the commit to build on.
        change: the file and the message.
        identity: who it is by.
        ref: the ref that names it meanwhile.
    """
    who = " ".join((_plain(identity.name), f"<{_plain(identity.email)}>", "now"))
    message = change.message.encode()
    path = change.path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    lines = [
        f"commit {ref}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(message)}\n".encode(),
        message,
        f'\nfrom {parent}\nM {change.file.mode} inline "{path}"\n'.encode(),
        f"data {len(change.file.data)}\n".encode(),
        change.file.data,
        b"\nget-mark :1\n",
    ]
    return b"".join(lines)


def _plain(name: str) -> str:
    """A name as git itself would write it: without what ends a name."""
    return "".join(sign for sign in name if sign not in "<>\n\0").strip()
