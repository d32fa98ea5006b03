"""The file that names an environment's claim and what fills it while it is empty: a restore in git.

    overlays/prod/postgres/claim/kustomization.yaml

A restore names a new claim and a moment; `git revert` names the claim before, which was kept.
`apps/postgres/bin/fill-claim` reads the values as environment variables.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from ci.errors import InputError

NAME = "data-postgresql-"  # and a number; the first has the name that a StatefulSet gives its own
_NAME = re.compile(rf"{NAME}(\d+)")
_TEXT = """\
# The claim that holds the data, and what fills it while it is empty (docs/backups.md). Written by
# `python -m ci restore`, for an overlay that has the component `backups`.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
configMapGenerator:
  - name: postgresql-restore
    behavior: merge
    literals:
{literals}
patches:
  - target:
      kind: PersistentVolumeClaim
    options:
      allowNameChange: true
    patch: |-
      - op: replace
        path: /metadata/name
        value: {name}
"""


class Claim(NamedTuple):
    """A claim, and the restore that fills it.

    Attributes:
        name: the PersistentVolumeClaim's name.
        to: `latest`, a backup's name, or a moment; empty if it was never restored.
        backup: the backup that the restore begins with; empty for pgBackRest's choice.
        timeline: the timeline that it follows, a number; empty for the backup's own.
        after: the repository's newest timeline when it was written; None if it was never restored.
    """

    name: str
    to: str = ""
    backup: str = ""
    timeline: str = ""
    after: int | None = None

    @property
    def number(self) -> int:
        """The number at the end of its name."""
        return number_of(self.name) or 0

    def text(self) -> str:
        """The file's text."""
        values = {
            "RESTORE_TO": self.to,
            "RESTORE_SET": self.backup,
            "RESTORE_TIMELINE": self.timeline,
            "RESTORE_AFTER": "" if self.after is None else str(self.after),
        }
        named = [f"{name}={value}" for name, value in values.items() if value]
        lines = "\n".join(f"      - {each}" for each in named or ["RESTORE_TO="])
        return _TEXT.format(literals=lines, name=self.name)


def claim_file(environment: str) -> str:
    """The path of an environment's file in the tree."""
    return f"overlays/{environment}/postgres/claim/kustomization.yaml"


def is_used(overlay: str) -> bool:
    """Whether an overlay's kustomization.yaml has the file: whether the database has backups."""
    found = yaml.safe_load(overlay)
    components = (found if isinstance(found, dict) else {}).get("components") or []
    return "claim" in {str(each).split("/")[-1] for each in components}


def number_of(name: str) -> int | None:
    """The number of a claim's name; None for a name of another form.

    >>> number_of("data-postgresql-2")
    2
    """
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None


def parse(text: str, path: str) -> Claim:
    """Read the file.

    Args:
        text: what it holds.
        path: its path, for the error.

    Raises:
        InputError: it is not a file as `Claim.text` writes it.
    """
    try:
        found: Any = yaml.safe_load(text)
        literals = found["configMapGenerator"][0]["literals"]
        values = dict(str(each).partition("=")[::2] for each in literals)
        (change,) = yaml.safe_load(found["patches"][0]["patch"])
        name = str(change["value"])
        after = values.get("RESTORE_AFTER", "")
        return Claim(
            name,
            values.get("RESTORE_TO", ""),
            values.get("RESTORE_SET", ""),
            values.get("RESTORE_TIMELINE", ""),
            int(after) if after else None,
        )
    except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} does not name a claim and its restore: {type(error).__name__}: {error}",
            hint=f"Bring back what `python -m ci restore` wrote last:\ngit log --patch -- {path}",
        ) from error
