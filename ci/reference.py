"""Writes the pages that repeat what the code says: every verb, and every variable of the service.

`make docs` calls it; tests compare the pages with the code.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from ci.cli import VERBS, load
from coworking import config

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference.md"
VARIABLES_PAGE = DOCS / "configuration.md"
_TABLE = re.compile(r"^\| variable \| default \| what it is \|\n(?:\|.*\n)+", re.MULTILINE)
HEAD = """\
# Every verb

`python -m ci VERB` runs a verb; `python -m ci VERB --help` prints what stands here. `make docs`
writes this page from the verbs themselves. Unless a verb says otherwise it ends with status 0 when
all is well, 1 when something needs a person, 2 when an argument, a file or a variable can't be
used.

"""


def page() -> str:
    """The whole page, in Markdown."""
    return HEAD + "\n".join(_section(name) for name in sorted(VERBS))


def with_variables(text: str) -> str:
    """The page on the service's variables, its table written from the registry."""
    return _TABLE.sub(lambda _: config.markdown(), text)


def _section(name: str) -> str:
    command = load(name)
    # A fixed width: the page must not depend on who writes it.
    context = click.Context(command, info_name=f"python -m ci {name}", max_content_width=100)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {name}", "", f"    {context.info_name} {usage}", ""]
    lines += [*_paragraphs(command.help or VERBS[name].help), ""]
    if isinstance(command, click.Group):
        lines += ["| command | what it does |", "| --- | --- |"]
        lines += [_command(each, context) for _, each in sorted(command.commands.items())]
        lines.append("")
    rows = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and "--help" not in parameter.opts
        and (record := parameter.get_help_record(context))
    ]
    if rows:
        lines += ["| option | what it is |", "| --- | --- |"]
        lines += [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows]
        lines.append("")
    if command.epilog:
        lines += [*_paragraphs(command.epilog), ""]
    return "\n".join(lines)


def _command(command: click.Command, group: click.Context) -> str:
    """The row of a command of a group, such as `backup FILE` of `sealing-key`."""
    context = click.Context(command, parent=group, info_name=command.name)
    words = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    usage = " ".join([command.name or "", *words])
    return f"| `{_cell(usage)}` | {_cell(command.get_short_help_str(limit=200))} |"


def _paragraphs(text: str) -> list[str]:
    """Click's help text as Markdown: `\\b` marks lines that stay as they are."""
    parts = []
    for paragraph in text.replace("\f", "").split("\n\n"):
        if paragraph.lstrip().startswith("\b"):
            kept = [line for line in paragraph.splitlines() if line.strip("\b ")]
            parts.append("\n".join(f"    {line.strip()}" for line in kept))
        else:
            parts.append(" ".join(paragraph.split()))
    return "\n\n".join(parts).splitlines()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    text = VARIABLES_PAGE.read_text(encoding="utf-8")
    VARIABLES_PAGE.write_text(with_variables(text), encoding="utf-8")
