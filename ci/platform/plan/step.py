"""What a plan is made of: steps, what a person does in each, and how far each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Word = Literal["done", "open", "unknown"]


class Action(NamedTuple):
    """One thing that a person does: a typed command, or a web form with all its clicks.

    Attributes:
        text: the command, ready to copy; or what to do in the form.
        page: the form's address; empty for a command.
        note: what to know before it.
    """

    text: str
    page: str = ""
    note: str = ""

    @property
    def is_command(self) -> bool:
        """Whether it is typed."""
        return not self.page


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the plan.

    Attributes:
        name: its short name, in `--check` and in JSON.
        title: what is done, an imperative.
        why: what to know before it.
        actions: what a person does, in order. None: there is nothing to do when all is well.
        then: what one then sees.
        done: how to tell that it is done.
        optional: when it is wanted; empty for a step that every first deploy needs.
    """

    name: str
    title: str
    why: str
    actions: tuple[Action, ...]
    then: str
    done: str
    optional: str = ""


class Mark(NamedTuple):
    """How far a step is, with a sentence that says why."""

    word: Word
    because: str


class Judged(NamedTuple):
    """A step and how far it is."""

    step: Step
    mark: Mark


def done(because: str) -> Mark:
    """The step is done."""
    return Mark("done", because)


def still_open(because: str) -> Mark:
    """The step is not done."""
    return Mark("open", because)


def unknown(because: str) -> Mark:
    """Nobody could be asked, or the answer does not say."""
    return Mark("unknown", because)


def count(steps: tuple[Step, ...]) -> int:
    """The actions of a first deploy.

    A typed command is one, commands that are joined in a line are one each, and a web form with
    all its clicks is one. Optional steps do not count.
    """
    actions = [action for step in steps if not step.optional for action in step.actions]
    return sum(_commands(action.text) if action.is_command else 1 for action in actions)


def _commands(line: str) -> int:
    return 1 + sum(line.count(joint) for joint in ("&&", ";", " | ", "$("))
