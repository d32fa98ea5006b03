"""Checks what paths name, by the settings and facts of their tree: the whole of a run.

>>> settings = find_settings(Path("."))
>>> inputs, report = check_paths([], settings)
>>> [finding.rule for finding in report.findings]
[]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from treecheck.engine import Report, check
from treecheck.facts import Facts, read_facts
from treecheck.files import git_root
from treecheck.inputs import Inputs, gather
from treecheck.rendering import reading_once
from treecheck.schemas import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from treecheck.settings import CheckSettings

DEFAULT_FACTS = Path("infra") / "facts.yaml"


@reading_once()
def check_paths(
    paths: Sequence[str],
    settings: CheckSettings,
    *,
    facts_file: Path | None = None,
    only: Iterable[str] = (),
) -> tuple[Inputs, Report]:
    """Read and check what `paths` name; nothing named means the whole repository.

    Args:
        paths: folders, files of manifests, or `-` for standard input.
        settings: which rules run, and how their findings count.
        facts_file: what exists outside the tree, instead of the file that the settings name.
        only: ids of rules; of those that the settings select the others don't run.

    Raises:
        InputError: a path or the file of facts can't be used.
    """
    facts = _facts(facts_file or settings.facts, settings.folder)
    inputs = gather(paths, facts)
    version = version_of(settings.kubernetes or facts.kubernetes)
    report = check(inputs, facts, version, only=only or settings.chosen())
    found = report.findings if only else settings.asked(report.findings)
    report.findings = settings.settle(found, inputs.root)
    return inputs, report


def _facts(file: Path | None, folder: Path) -> Facts:
    """The facts of a file; without one those of the tree, if it has a file at the usual place."""
    if file is not None:
        return read_facts(file)
    for root in (folder, git_root(folder)):
        if root is not None and (root / DEFAULT_FACTS).is_file():
            return read_facts(root / DEFAULT_FACTS)
    return Facts()


def tree_folder(paths: Sequence[str]) -> Path:
    """The folder whose settings count: the first that `paths` name, else the one we are in."""
    return next((Path(path) for path in paths if Path(path).is_dir()), Path.cwd())
