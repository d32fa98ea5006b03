"""`python -m ci validate`: reads the command line, runs the engine and prints what it found."""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from treecheck.checking import check_paths, tree_folder
from treecheck.command import run_command
from treecheck.errors import InputError
from treecheck.output import FORMATS
from treecheck.registry import LAYERS, find_rule, load_rules
from treecheck.settings import CheckSettings, find_settings, parse_selectors

ENDINGS = {".sarif": "sarif", ".xml": "junit", ".json": "json"}  # of --report, to FORMATS


def _settings(
    paths: tuple[str, ...], select: tuple[str, ...], ignore: tuple[str, ...], kubernetes: str | None
) -> CheckSettings:
    """The tree's settings, with what the command line says instead."""
    settings = find_settings(tree_folder(paths))
    if select:
        settings = replace(settings, select=parse_selectors(select, "--select"))
    if ignore:
        settings = replace(settings, ignore=parse_selectors(ignore, "--ignore"))
    return settings if kubernetes is None else replace(settings, kubernetes=kubernetes)


@click.command("validate")
@click.argument("paths", nargs=-1)
@click.option("--format", "style", type=click.Choice(list(FORMATS)), default="text")
@click.option(
    "--report",
    "files",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a report too: FILE ends in .sarif, .xml (JUnit) or .json; may be repeated.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="RULES",
    help="Run these rules, layers or families, joined by commas, instead of the settings'.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULES",
    help="Leave out these rules, layers or families, instead of the settings'.",
)
@click.option("--only", multiple=True, metavar="RULE", help="Run only this rule; may be repeated.")
@click.option("--explain", metavar="RULE", help="Print what a rule is about, and end.")
@click.option("--list", "list_rules", is_flag=True, help="Print every rule, and end.")
@click.option("--facts", "facts_file", metavar="FILE", help="What exists outside the tree.")
@click.option(
    "--kubernetes-version", metavar="VERSION", help="Instead of that of the settings or facts."
)
def command(  # noqa: PLR0913, PLR0917 - one argument for each option of the command line
    paths: tuple[str, ...],
    style: str,
    files: tuple[Path, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    only: tuple[str, ...],
    explain: str | None,
    list_rules: bool,
    facts_file: str | None,
    kubernetes_version: str | None,
) -> None:
    """Check manifests for what would break after the merge.

    A PATH is a folder with a kustomization, a tree of them, a file of rendered manifests, or `-`
    for standard input. Without one the whole repository is checked. Ends with status 0 when nothing
    was found, 1 when something was, 2 when the input can't be used.
    """
    if explain is not None:
        click.echo(explain_rule(explain))
        return
    if list_rules:
        click.echo(rule_table())
        return
    for name in only:
        find_rule(name)
    for file in files:
        format_of(file)
    # Everything that is read stays until the end: looking for garbage in it is wasted time.
    gc.disable()
    settings = _settings(paths, select, ignore, kubernetes_version)
    facts = Path(facts_file) if facts_file is not None else None
    _, report = check_paths(paths, settings, facts_file=facts, only=only)
    for file in files:
        write_report(file, FORMATS[format_of(file)](report))
    click.echo(FORMATS[style](report))
    _end(report.failures, found=bool(report.findings))


def format_of(file: Path) -> str:
    """The format of a report by its file's ending.

    Raises:
        InputError: the ending says none.
    """
    if file.suffix not in ENDINGS:
        raise InputError(
            f"--report {str(file)!r} ends in {file.suffix!r}, which says no format",
            hint=f"It can end in {', '.join(ENDINGS)}, such as reports/validate.sarif.",
        )
    return ENDINGS[file.suffix]


def write_report(file: Path, text: str) -> None:
    """Write a report, and the folder for it.

    Raises:
        InputError: it can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--report {str(file)!r} can't be written: {error.strerror}") from error


def _end(failures: list[str], *, found: bool) -> NoReturn:
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    sys.exit(2 if failures else int(found))


def explain_rule(name: str) -> str:
    """A rule in full.

    Raises:
        InputError: there is no such rule.
    """
    rule = find_rule(name)
    parts = [
        f"{rule.id} ({rule.severity}; {rule.family}; layer: {LAYERS[rule.layer]})",
        rule.title + ".",
    ]
    return "\n\n".join([*parts, *filter(None, [rule.explanation]), f"Source: {rule.source}"])


def rule_table() -> str:
    """Every rule, a line each, by layer."""
    rules = load_rules().values()
    width = max(len(rule.id) for rule in rules)
    lines: list[str] = []
    for layer, title in LAYERS.items():
        mine = [rule for rule in rules if rule.layer == layer]
        if mine:
            lines += ["", title] if lines else [title]
            lines += [f"  {rule.id:<{width}}  {rule.severity:<7}  {rule.title}" for rule in mine]
    return "\n".join(lines)


def main() -> None:
    """The command `treecheck`."""
    run_command(command, "treecheck")
