"""The commands that take an image's first tag through every environment, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.platform.plan.names import TOKEN_FILE
from ci.platform.plan.step import Action

if TYPE_CHECKING:
    from ci.platform.plan.names import Names


def promotions(names: Names, words: str) -> tuple[Action, ...]:
    """One command for each environment after the first, each from the one before it.

    Args:
        names: the owner's own names.
        words: what every command has beside `--to`, such as `--push`.
    """
    command = f"GIT_TOKEN_FILE={TOKEN_FILE} .venv/bin/python -m ci promote"
    between = names.settings.environments[1:-1]
    hops = [f"{command} --to {each} {words}" for each in between]
    return tuple(map(Action, (*hops, f"{command} {words}")))
