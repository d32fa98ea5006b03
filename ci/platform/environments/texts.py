"""How the text of a file becomes another environment's, and how a shared file names one more.

>>> renamed("namespace: coworking-prod", "prod", "staging")
'namespace: coworking-staging'
"""

from __future__ import annotations

import re

from ci.errors import InputError
from ci.tree.overlays import PARTS, SERVICE

# What backs a database up (base/postgres/backups) has these kinds; settings.yaml's backups are the
# last environment's alone.
_OF_BACKUPS = ("CronJob", "PersistentVolumeClaim")
_DELETED = re.compile(r"(?m)^kubectl -n argocd delete application .*$")


def renamed(text: str, like: str, name: str) -> str:
    """A text about one environment as it is about another: its words, namespace and paths."""
    return _word(like).sub(lambda _: name, text)


def _word(name: str) -> re.Pattern[str]:
    """An environment's name where it is one, and not a part of another: `pre-prod`, /dev/null."""
    parts = "|".join(f"(?<={part}-)" for part in PARTS)
    return re.compile(rf"(?:(?<![\w./-])|(?<=overlays/)|{parts}){re.escape(name)}(?![\w-])")


def without_backups(text: str) -> str:
    """An overlay's or a project's file without what only the environment with backups has."""
    entries = rf" *- group: .*\n +kind: (?:{'|'.join(_OF_BACKUPS)})\n"
    text = re.sub(rf"(?m)(?:^ *#.*\n)*(?:^{entries})+", "", text)
    for of_last in ("database", "service"):  # whose database may be backed up, or outside
        text = text.replace(f"{{prod_{of_last}}}", f"{{{of_last}}}")
    return text


def listed(text: str, file: str) -> str:
    """A kustomization whose `resources:` name one more file, before the first that comes after."""
    found = re.search(r"(?m)^resources:\n((?:  - .+\n)*)", text)
    if found is None:
        raise InputError(
            f"a kustomization has no list `resources:`, so {file} can't be added to it"
        )
    entries, entry = found[1].splitlines(keepends=True), f"  - {file}\n"
    at = next((i for i, each in enumerate(entries) if each > entry), len(entries))
    entries.insert(at, entry)
    return f"{text[: found.start(1)]}{''.join(entries)}{text[found.end(1) :]}"


def unlisted(text: str, file: str) -> str:
    """A kustomization that doesn't name a file."""
    return text.replace(f"  - {file}\n", "")


def with_rights(text: str, like: str, name: str) -> str:
    """Argo CD's rights: whoever may do something in one environment may do it in the other."""
    lines = rf"(?m)(?:^.* {re.escape(_target(like))},.*\n)+"
    return re.sub(lines, lambda them: them[0] + them[0].replace(_target(like), _target(name)), text)


def with_tear_down(text: str, like: str, name: str) -> str:
    """The page that takes everything down, with the Applications and the database of one more."""
    text = _DELETED.sub(lambda line: _more(line[0], like, name), text)
    stops = rf"(?m)(?:^kubectl -n {SERVICE}-{re.escape(like)} .*\n)+"
    return re.sub(stops, lambda them: them[0] + renamed(them[0], like, name), text)


def without_tear_down(text: str, name: str) -> str:
    """Undo `with_tear_down`."""
    text = _DELETED.sub(lambda line: _fewer(line[0], name), text)
    return re.sub(rf"(?m)^kubectl -n {SERVICE}-{re.escape(name)} .*\n", "", text)


def _more(line: str, like: str, name: str) -> str:
    for part in PARTS:
        line = line.replace(f" {part}-{like} ", f" {part}-{like} {part}-{name} ")
    return line


def _fewer(line: str, name: str) -> str:
    for part in PARTS:
        line = line.replace(f" {part}-{name} ", " ")
    return line


def without_rights(text: str, name: str) -> str:
    """Argo CD's rights without those in an environment."""
    return re.sub(rf"(?m)^.* {re.escape(_target(name))},.*\n", "", text)


def _target(name: str) -> str:
    return f"{SERVICE}-{name}/*"
