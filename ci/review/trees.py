"""Two versions of the repository, rendered and checked."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from ci.errors import CommandError, InputError
from ci.git.archive import unpack
from ci.review.outside import outside
from ci.review.redact import secrets_of
from ci.review.usage import Usage, usage_of
from ci.run import execute, run
from treecheck.checking import check_paths
from treecheck.settings import find_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import Finding, Resource


@dataclass
class RenderedTree:
    """A version of the repository.

    Attributes:
        groups: heading (`overlays/prod`, `argocd/apps`) -> the resources rendered under it.
        findings: what the checks say of it.
        failures: what could not be read, a sentence each.
        unbuilt: the folders at which kustomize fails -> why.
        failed: all folders that can't be built, those included that build on such a one.
        root: the folder that it was read from.
        secrets: the secret values in it, as far as their names say that they are.
        usage: what it costs and takes on the nodes, where it describes them.
        outside: what its kustomizations build on and nobody renders (see `outside`).
    """

    root: Path = field(default_factory=Path)
    groups: dict[str, list[Resource]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unbuilt: dict[str, str] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    outside: dict[str, list[str]] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    usage: Usage | None = None

    def lacks(self, resource: Resource, of: RenderedTree) -> bool:
        """Whether a resource of another version is unknown here.

        Its folder can't be built, or what it is a part of: a folder that is gone while something
        names it is a mistake, and nothing was removed on purpose.
        """
        folder = resource.part.folder
        if resource.part.group in self.failed:
            return True
        if folder is None or not folder.is_relative_to(of.root):
            return False
        return folder.relative_to(of.root).as_posix() in self.failed


def merge_base(base: str, head: str) -> str:
    """The newest commit that both have: what the head's author started from.

    Raises:
        InputError: one of them is not a commit here, or they have nothing in common.
    """
    for name in (base, head):
        try:
            run(
                [
                    "git",
                    "rev-parse",
                    "--verify",
                    "--quiet",
                    "--end-of-options",
                    f"{name}^{{commit}}",
                ]
            )
        except CommandError as error:
            raise InputError(
                f"{name!r} is not a commit of this repository",
                hint="Name a branch, a tag or a commit; `git fetch` brings those of the remote.",
            ) from error
    try:
        return run(["git", "merge-base", base, head]).strip()
    except CommandError as error:
        raise InputError(
            f"{base} and {head} have no commit in common",
            hint="A shallow clone has too little history: git fetch --unshallow.",
        ) from error


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The files of a commit in a temporary folder; the working tree is left alone."""
    archive = execute(["git", "archive", "--format=tar", commit]).stdout
    with tempfile.TemporaryDirectory(prefix="diff-") as name:
        folder = Path(name).resolve()
        unpack(archive, folder)
        yield folder


def read_tree(folder: Path) -> RenderedTree:
    """Render and check a folder as `python -m ci validate` would in it."""
    with contextlib.chdir(folder):
        inputs, report = check_paths([], find_settings(folder))
    tree = RenderedTree(folder, findings=report.findings)
    tree.outside = outside(folder, inputs.ignored)
    tree.unbuilt, tree.failed = report.unbuilt, frozenset(inputs.failed)
    tree.failures = [failure.replace(f"{folder}/", "") for failure in report.failures]
    for resources in inputs.sets.values():
        for resource in resources:
            if resource.checked:
                tree.groups.setdefault(resource.part.group, []).append(resource)
    everything = [each for found in tree.groups.values() for each in found]
    sources = inputs.files.values()
    written = [document.value for source in sources for document in source.documents]
    tree.secrets = secrets_of(everything, written)
    tree.usage = usage_of(folder, tree.groups)
    return tree
