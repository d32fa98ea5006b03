"""Findings about what could not be read or built: one for each file or folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.files import kustomization_file
from treecheck.kube.pages import YAML_TEXT
from treecheck.mentions import Mentions, only_in_comments
from treecheck.model import Problem, Severity
from treecheck.registry import STRUCTURAL, Raised, Rule, Scope, engine_rule, load_rules
from treecheck.rendering import closure, read_kustomization
from treecheck.sets import show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.inputs import Inputs

UNBUILDABLE = engine_rule(
    Rule(
        id="folder-unbuildable",
        layer="checker",
        title="A folder that kustomize can't build",
        severity=Severity.ERROR,
        explanation="Argo CD can't build it either: the sync fails, and the cluster keeps what it "
        "has. The rest of the tree is checked, except for what this folder may bring.",
        source="https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/",
        scope=Scope.ENGINE,
        kinds=frozenset(),
        unless=(),
        check=lambda: (),
    )
)


NOT_YAML = engine_rule(
    Rule(
        id="not-yaml",
        layer="yaml_text",
        title="A file that is not YAML",
        severity=Severity.ERROR,
        explanation="Whatever reads it stops at this line: kubectl, kustomize and Argo CD refuse "
        "it. The rest of the tree is checked. A template of Helm, Go, Jinja or envsubst is not "
        "YAML yet, nor is a manifest with a word such as DATE_LABEL in the place of a field, which "
        "a script replaces: it is listed as not known, unless an Application applies it as it is. "
        "One that nothing names, beside a kustomization that lists files of its folder, is noted.",
        source=YAML_TEXT,
        scope=Scope.ENGINE,
        kinds=frozenset(),
        unless=(),
        check=lambda: (),
    )
)


MOST = 3  # folders that one message names


def unread(inputs: Inputs, raised: list[Raised]) -> Iterator[Raised]:
    """The files that can't be read, unless a rule has said why, and the folders without a build."""
    files = list(_files(inputs, raised))
    yield from files
    yield from _folders(inputs, [*raised, *files])


def _files(inputs: Inputs, raised: list[Raised]) -> Iterator[Raised]:
    told = {each.problem.file for each in raised}
    for source in inputs.files.values():
        if source.error is None or source.path in told or source.path in inputs.named:
            continue
        gone = source.path.is_symlink() and not source.path.exists()
        problem = Problem(
            f"it is a link to {source.path.readlink()}, which is not there"
            if gone
            else f"it can't be read: {source.error.problem}",
            fix="Remove the link, or add the file that it leads to."
            if gone
            else "Fix the line, or the one before it; an editor that knows YAML marks it.",
            file=source.path,
            line=source.error.line,
        )
        yield Raised(load_rules()[NOT_YAML], problem, None)


def _folders(inputs: Inputs, raised: list[Raised]) -> Iterator[Raised]:
    """The folders that can't be built, those with the same fault once.

    Where a file of theirs is not well written, the rule about that file says why.
    """
    wrong = {each.problem.file for each in raised if each.rule.layer in STRUCTURAL}
    for unbuilt in inputs.unbuilt:
        folder = inputs.root / unbuilt.folders[0]
        files = {f for each in closure(folder) for f in (each.file, *each.files)}
        if wrong & {*files, kustomization_file(folder)}:
            continue
        names = _listed(unbuilt.folders)
        yield Raised(
            load_rules()[UNBUILDABLE],
            Problem(
                f"{names} can't be built: {unbuilt.why}",
                fix=f"`kubectl kustomize {unbuilt.folders[0]}` says when it is right.",
                file=unbuilt.file or kustomization_file(folder),
                line=unbuilt.line,
            ),
            None,
        )


def without_left_over(inputs: Inputs, raised: list[Raised]) -> Iterator[Raised]:
    """What is raised, less the mistakes in the text of files that are left over: those are noted.

    Left over is a file beside a kustomization that lists files of its folder and not this one,
    where no other kustomization, page, script or manifest names it.
    """
    mentions = inputs.mentions or Mentions(inputs.root, inputs.files)
    known: dict[Path, bool] = {}
    for each in raised:
        file = each.problem.file
        if file is None or each.rule.layer != "yaml_text" or file in inputs.named:
            yield each
            continue
        if file not in known:
            beside = kustomization_file(file.parent)
            told = beside is not None and only_in_comments(beside, file)
            known[file] = _is_left_over(inputs, file) and (told or not mentions.has(file))
            if known[file]:
                why = "is not well written, and no kustomization names it"
                inputs.notes.append(f"{show(file, inputs.root)} {why}")
        if not known[file]:
            yield each


def _is_left_over(inputs: Inputs, file: Path) -> bool:
    """Whether a kustomization lists files beside this one, and nothing that is built reads it."""
    beside = read_kustomization(file.parent)
    if beside is None or file.name.startswith(("values", ".")) or file == beside.file:
        return False
    if not any(each.parent == beside.folder for each in beside.files):
        return False
    builders = (each.path.parent for each in inputs.files.values() if each.is_kustomization)
    if any(found and file in found.files for found in map(read_kustomization, builders)):
        return False
    plain = (each for found in inputs.sets.values() for each in found if each.origin.file)
    return not any(
        each.origin.file and each.origin.file.parent == file.parent
        for each in plain
        if each.part.folder is not None and kustomization_file(each.part.folder) is None
    )


def _listed(folders: list[str]) -> str:
    """Folders as a message names them, the first three of many."""
    if len(folders) > MOST:
        return f"{', '.join(folders[:MOST])} and {len(folders) - MOST} more"
    return " and ".join(folders)


def failed_inputs(inputs: Inputs, raised: list[Raised]) -> list[str]:
    """What the command line names and nobody can read, a sentence each."""
    told = {each.problem.file for each in raised}
    return [
        str(source.error)
        for source in inputs.files.values()
        if source.error is not None and source.path in inputs.named and source.path not in told
    ]
