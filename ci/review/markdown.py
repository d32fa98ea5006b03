"""The comparison as the comment on a pull request, never longer than GitHub takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.live import ENVIRONMENTS
from ci.review.redact import clean, clean_sentence, without
from ci.review.section import NO_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.review.changes import ResourceChange
    from ci.review.report import Comparison
    from ci.review.section import Section

MARKER = "<!-- ci diff -->"
LIMIT = 65_536  # characters that a comment may have
# What a reviewer can do without first, when not everything fits.
LEAST_FIRST = ("ConfigMap", "ServiceAccount", "NetworkPolicy", "Job", "Service")


def write_markdown(report: Comparison, *, limit: int = LIMIT) -> str:
    """The comment; whole resources are left out, the least important first, until it fits."""
    blocks = {
        (section.name, change.title): _block(change)
        for section in report.sections
        for change in section.changes
    }
    order = sorted(blocks, key=lambda key: _importance(report, key, len(blocks[key])))
    dropped: set[tuple[str, str]] = set()
    text = _assemble(report, blocks, dropped)
    while len(text) > limit and len(dropped) < len(order):
        dropped.add(order[len(dropped)])
        text = _assemble(report, blocks, dropped)
    return (
        text if len(text) <= limit else text[: limit - 40].rstrip() + "\n\n(the rest is left out)\n"
    )


def _importance(report: Comparison, key: tuple[str, str], length: int) -> tuple[int, int, int, str]:
    """Sorts what may be dropped first to the front."""
    weight = max(
        (risk.weight for s in report.sections if s.name == key[0] for risk in s.risks
         if risk.title == key[1]),
        default=0,
    )  # fmt: skip
    kind = key[1].split(" ")[0]
    rank = LEAST_FIRST.index(kind) if kind in LEAST_FIRST else len(LEAST_FIRST)
    return weight, rank, -length, f"{key[0]} {key[1]}"


def _assemble(
    report: Comparison, blocks: dict[tuple[str, str], str], dropped: set[tuple[str, str]]
) -> str:
    lines = list(_lines(report, blocks, dropped))
    return without("\n".join(lines).rstrip(), report.secrets) + "\n"


def _lines(
    report: Comparison, blocks: dict[tuple[str, str], str], dropped: set[tuple[str, str]]
) -> list[str]:
    if report.is_promotion:
        return [MARKER, report.live, "", *_versions(report), *_problems(report)]
    lines = [MARKER, "### What this changes", ""]
    for folder, why in report.unbuilt.items():
        said = f"**{_code(folder)} can't be rendered**: {_text(clean(why))}."
        then = "What it makes is not compared here; an Application that renders it syncs nothing."
        lines += [f"{said} {then}", ""]
    if report.live:
        lines[1:1] = [report.live, "", *(each for note in report.notes for each in (note, ""))]
    if report.sections:
        lines += ["| environment | |", "| --- | --- |"]
        lines += [f"| {_cell(each.name)} | {each.verdict} |" for each in _rows(report)]
        lines.append("")
    for section in report.sections:
        if section.changes or section.risks:
            lines += [*_section(section, blocks, dropped)]
    lines += [*_problems(report)]
    if dropped:
        lines += [
            f"{len(dropped)} of {len(blocks)} resources are left out: the comment is full.",
            "",
        ]
    return lines


def _rows(report: Comparison) -> list[Section]:
    """Each environment, and of the other folders those that change; all where none is one."""
    shown = [
        each
        for each in report.sections
        if each.name.startswith(ENVIRONMENTS) or each.verdict != NO_CHANGE
    ]
    return shown or report.sections


def _versions(report: Comparison) -> Iterator[str]:
    """A promotion: which version replaces which, where, with its commits."""
    for section in report.sections:
        for each in section.versions:
            tags = f"{_code(each.old)} → {_code(each.new)}"
            yield from (f"### {_text(section.name)}: {_code(each.image)} {tags}", "")
            if each.why:
                yield from (each.why, "")
            yield from (f"- {_text(clean_sentence(line))}" for line in each.commits)
            yield ""


def _section(
    section: Section, blocks: dict[tuple[str, str], str], dropped: set[tuple[str, str]]
) -> Iterator[str]:
    yield from (f"#### {_text(section.name)}", "")
    for risk in section.risks:
        yield f"- {_code(risk.title)}: {_text(clean_sentence(risk.sentence))}"
    if section.risks:
        yield ""
    for change in section.changes:
        key = (section.name, change.title)
        yield f"{_code(change.title)} ({change.verb}): left out" if key in dropped else blocks[key]
    yield ""


def _block(change: ResourceChange) -> str:
    lines = "\n".join(change.lines())
    fence = "`" * max(3, _longest_run(lines) + 1)  # a text with fences of its own can't end ours
    return (
        f"<details><summary><code>{_text(change.title)}</code> {change.verb}</summary>\n\n"
        f"{fence}diff\n{lines}\n{fence}\n\n</details>\n"
    )


def _text(text: str) -> str:
    """Anybody's words as one line of prose: a name with `<!--` would hide all that follows."""
    return " ".join(text.split()).replace("<", "&lt;")


def _code(text: str) -> str:
    """A code span, which ends only where it should, whatever the text holds (CommonMark, 6.1)."""
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{' '.join(text.split())}{pad}{ticks}"


def _cell(text: str) -> str:
    """A code span in a table, where a bar ends the cell even so."""
    return _code(text).replace("|", "\\|")


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _problems(report: Comparison) -> Iterator[str]:
    if report.failures:
        yield from ("#### This can't be read", "")
        yield from (f"- {_text(clean(each))}" for each in report.failures)
        yield ""
    if report.findings:
        yield from ("#### New findings", "")
        for each in report.findings:
            place = f" ({each.file}:{each.line})" if each.file else ""
            said = f"{each.resource}{place}: " + clean_sentence(f"{each.message}. {each.fix}")
            yield f"- **{each.severity.value}** `{each.rule}` {_text(said)}"
        yield ""
