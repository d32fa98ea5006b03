"""Which entry of an Application's history a rollback goes back to.

A pure decision; `ci.oncall.rollback` acts on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ci.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ci.argocd.application import Application, Entry


class Choice(NamedTuple):
    """Where a rollback goes: the entry, its tag, and the tag that git asks for."""

    entry: Entry
    tag: str
    unwanted: str


def choose(
    app: Application, unwanted: str, tag_of_revision: Callable[[str], str], to: str | None
) -> Choice:
    """Choose the entry of the history to go back to.

    Without `to` it is the version below the unwanted one in `ladder`; where a sync of the unwanted
    one is still stuck, or somebody has rolled back already, it isn't there, and the top is chosen.

    Args:
        app: the Application.
        unwanted: the tag that git asks for now; empty when it is unknown.
        tag_of_revision: the tag that a commit deploys; empty when it is unknown.
        to: an entry's id, a commit or its beginning, or a tag.

    Raises:
        InputError: there is no such entry, or nothing to choose by itself.
    """
    if to is not None:
        return _chosen_by_name(app, unwanted, tag_of_revision, to)
    rungs = ladder(app.entries, tag_of_revision)
    below = list(rungs)[: list(rungs).index(unwanted)] if unwanted in rungs else list(rungs)
    if below:
        chosen = Choice(rungs[below[-1]], below[-1], unwanted)
        _refuse_a_guess(app, chosen, tag_of_revision)
        return chosen
    # They were rolled back from or reverted: a person may name one, we never choose one.
    left = {tag_of_revision(entry.revision): entry.id for entry in app.entries}
    others = sorted((number, tag) for tag, number in left.items() if tag not in ("", unwanted))
    shown = [f"{number} ({tag})" for number, tag in others]
    raise InputError(
        f"the history of {app.name} has no version before {unwanted or '?'}; or is the fault in a"
        " change of configuration?",
        hint="See all of it by --list, and name an entry by `--to ID`."
        + (f"\nVersions that were left since: {', '.join(shown[-3:])}." if shown else ""),
    )


def ladder(entries: Sequence[Entry], tag_of_revision: Callable[[str], str]) -> dict[str, Entry]:
    """Sort the history's versions into a ladder, newest on top: tag to newest entry.

    A version that came back ends the ones above it: they were rolled back or reverted, and nobody
    half asleep should be led to one of them again.

    >>> from ci.argocd.application import Entry
    >>> at = {"r1": "A", "r2": "B", "r3": "C"}.get
    >>> entries = [Entry(n, r, None, "") for n, r in enumerate(["r1", "r2", "r3", "r2"])]
    >>> {tag: entry.id for tag, entry in ladder(entries, at).items()}
    {'A': 0, 'B': 3}
    """
    rungs: dict[str, Entry] = {}
    for entry in entries:
        tag = tag_of_revision(entry.revision)
        if not tag:  # the commit is gone or can't be rendered, so we can't go back to it
            continue
        if tag in rungs:
            kept = list(rungs).index(tag)
            rungs = dict(list(rungs.items())[:kept])
        rungs[tag] = entry
    return rungs


def _chosen_by_name(
    app: Application, unwanted: str, tag_of_revision: Callable[[str], str], to: str
) -> Choice:
    for entry in reversed(app.entries):
        is_named = to == str(entry.id) or (len(to) >= 7 and entry.revision.startswith(to))
        tag = tag_of_revision(entry.revision)
        if is_named or to == tag:
            return Choice(entry, tag, unwanted)
    known = ", ".join(str(entry.id) for entry in app.entries[-10:]) or "none"
    raise InputError(
        f"{to!r} is not an entry in the history of {app.name}",
        hint=f"Name an entry's id ({known}), its commit, or its tag.",
    )


def _refuse_a_guess(
    app: Application, chosen: Choice, tag_of_revision: Callable[[str], str]
) -> None:
    """Stop where a newer entry has no name: the chosen one may have been reverted by it."""
    since = app.entries[app.entries.index(chosen.entry) :]
    unknown = [f"{entry.id}" for entry in since if not tag_of_revision(entry.revision)]
    if unknown:
        raise InputError(
            f"the version of entry {', '.join(unknown)} in the history of {app.name} is not known,"
            f" so {chosen.tag} (entry {chosen.entry.id}) may be one that was reverted since",
            hint=f"If it is right, name it: --to {chosen.entry.id}\n"
            "To see all of the history: --list",
        )
