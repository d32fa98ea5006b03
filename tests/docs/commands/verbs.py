"""`python -m ci` lines, by the verbs' own click commands: the verb and its options exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci.cli import VERBS, group
from tests.docs.commands.flags import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

# How pages and hints call the package; `ci` alone stands for it in tables.
# Lines whose verb is not there, by file and verb, and why.
NO_VERB = {
    ("CHANGELOG.md", "agree"): "it says that the verb is gone",
    ("CONTRIBUTING.md", "greet"): "the example of a verb that is still to be written",
}
CALLS = (("python", "-m", "ci"), (".venv/bin/python", "-m", "ci"), ("ci",))


def faults(words: Sequence[str], *, mention: bool = False) -> list[str]:
    """What is wrong with a line, a sentence each; `words` begins with `ci`.

    Values are the reader's: ENV, ID and their like would not pass the verbs' own checks.
    """
    arguments = list(words[1:])
    if arguments[0].startswith("-") or arguments[0].isupper() or "…" in arguments[0]:
        return []
    context = click.Context(group)
    verb = group.get_command(context, arguments[0])
    if verb is None:
        return [f"unknown verb {arguments[0]}{nearest(arguments[0], VERBS)}"]
    own = click.Context(verb, info_name=arguments[0], parent=context)
    try:
        verb.make_parser(own).parse_args([word for word in arguments[1:] if word != "…"])
    except click.NoSuchOption as error:
        known = [name for each in verb.get_params(own) for name in each.opts]
        return [f"unknown option {error.option_name}{nearest(error.option_name, known)}"]
    except click.UsageError as error:
        return [error.format_message()]
    return []
