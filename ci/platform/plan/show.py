"""How the plan is printed: as a shell script with comments, or for a program as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ci.platform.plan.step import count
from ci.platform.plan.tools import TOOLS, shown

if TYPE_CHECKING:
    from ci.platform.plan.names import Names
    from ci.platform.plan.step import Action, Judged, Mark, Step

WIDTH = 100


def text(steps: tuple[Step, ...]) -> str:
    """The whole plan, a step after the other."""
    lines = [
        f"# From an empty AWS account to a serving prod, in {count(steps)} commands and web forms;",
        "# optional steps come on top. Nothing here has been run: read it, run it line by line.",
        "# `make plan ARGS=--check` says at any time how far you are, and which step is next.",
    ]
    number = 0
    for step in steps:
        number += not step.optional
        lines += ["", *_step(step, "" if step.optional else f"{number}.")]
    return "\n".join(lines)


def _step(step: Step, number: str) -> list[str]:
    head = f"Optional, {step.optional}: {step.title}" if step.optional else f"{number} {step.title}"
    lines = [*_comment(f"{head} [{step.name}]")]
    if step.why:
        lines += _comment(step.why, indent="   ")
    for action in step.actions:
        lines += _action(action, commented=bool(step.optional))
    return [
        *lines,
        *(_comment(f"you see: {step.then}", indent="   ") if step.then else ()),
        *_comment(f"it is done when {step.done}", indent="   "),
    ]


def _action(action: Action, *, commented: bool) -> list[str]:
    if action.is_command:
        return [f"#   {action.text}" if commented else action.text]
    return [f"#   web form: {action.page}", *_comment(action.text, indent="     ")]


def _comment(words: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=f"# {indent}",
        subsequent_indent=f"# {indent}",
        break_long_words=False,
        break_on_hyphens=False,
    )


# --- with --check ---------------------------------------------------------------------------------


def first_not_done(judged: tuple[Judged, ...]) -> Judged | None:
    """The first step that is neither done nor optional."""
    return next((j for j in judged if not j.step.optional and j.mark.word != "done"), None)


def next_step(judged: tuple[Judged, ...]) -> Step | None:
    """The step to do now: none when all is done, nor behind a step that is unknown."""
    first = first_not_done(judged)
    return first.step if first is not None and first.mark.word == "open" else None


def word(one: Judged, following: Step | None) -> str:
    """How a step is marked: done, next, later, optional or unknown."""
    if one.mark.word != "open":
        return one.mark.word
    if one.step.optional:
        return "optional"
    return "next" if one.step is following else "later"


def checked(judged: tuple[Judged, ...]) -> str:
    """How far each step is, with why, and what to do next."""
    following, first = next_step(judged), first_not_done(judged)
    width = max(len(one.step.name) for one in judged)
    lines = [
        f"{word(one, following):<8}  {one.step.name:<{width}}  {one.mark.because}" for one in judged
    ]
    if following is not None:
        lines += ["", *_step(following, "Next:")]
    elif first is not None:
        lines += [
            "",
            f"Which step is next is unknown until {first.step.name} is known.",
        ]
    else:
        lines += ["", "All done: prod serves."]
    return "\n".join(lines)


def as_json(
    names: Names, steps: tuple[Step, ...], judged: tuple[Judged, ...] | None
) -> dict[str, Any]:
    """The plan for a program.

    Returns:
        `actions`, their number; `repository`; `tools` and `steps`, a mapping each. With --check
        each step has `mark` and `because`, and `next` is the name of the next one, or null when
        all is done, or an unknown step comes first.
    """
    following = next_step(judged) if judged else None
    marks = {one.step.name: (word(one, following), one.mark) for one in judged or ()}
    found: dict[str, Any] = {
        "actions": count(steps),
        "repository": names.github,
        "tools": [{"program": tool.program, "least": shown(tool.least[0])} for tool in TOOLS],
        "steps": [_plain(step, marks.get(step.name)) for step in steps],
    }
    return found | ({"next": following.name if following else None} if judged else {})


def _plain(step: Step, mark: tuple[str, Mark] | None) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "name": step.name,
        "title": step.title,
        "why": step.why,
        "optional": step.optional,
        "actions": [
            {"kind": "command", "text": action.text}
            if action.is_command
            else {"kind": "form", "page": action.page, "text": action.text}
            for action in step.actions
        ],
        "then": step.then,
        "done": step.done,
    }
    return plain | ({"mark": mark[0], "because": mark[1].because} if mark else {})
