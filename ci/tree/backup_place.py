"""Where an environment's backups are in the bucket, and which key opens them.

    overlays/prod/postgres/backups/kustomization.yaml

What was written with one key opens with no other, so a new key comes with a new path. The entry of
the Secret that has the key is named there too: the pod that writes to a path gets the key of that
path, and no other, whenever the cluster unseals it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ci.errors import InputError
from ci.tree import overlays

if TYPE_CHECKING:
    from pathlib import Path

_PATH = re.compile(r"(?m)^( *- PGBACKREST_REPO1_PATH=)(/\S*?)(?:-(\d+))?$")
_ENTRY = re.compile(rf"key: ({overlays.BACKUP_KEY}(?:_(\d+))?)\b")
_BEGINS = "  # The key of the path above. Written by `python -m ci rotate`, together with it.\n"
_STATEFUL_SET = """\
  - patch: |-
      apiVersion: apps/v1
      kind: StatefulSet
      metadata:
        name: postgresql
      spec:
        template:
          spec:
            volumes:
              - name: key
                secret:
                  items:
                    - key: {entry}
                      path: key.conf
"""
_PROOF = """\
  - patch: |-
      apiVersion: batch/v1
      kind: CronJob
      metadata:
        name: postgresql-proof
      spec:
        jobTemplate:
          spec:
            template:
              spec:
                volumes:
                  - name: key
                    secret:
                      items:
                        - key: {entry}
                          path: key.conf
"""


def place_file(environment: str) -> str:
    """The path of an environment's file in the tree."""
    return f"overlays/{environment}/postgres/backups/kustomization.yaml"


def entry_of(environment: str, root: Path) -> str:
    """The entry of the Secret that has the key of an environment's backups."""
    path = root / place_file(environment)
    return key_entry(path.read_text(encoding="utf-8")) if path.exists() else overlays.BACKUP_KEY


def key_entry(text: str) -> str:
    """The entry that a file names; the first has the name without a number.

    >>> key_entry("key: BACKUP_KEY_2")
    'BACKUP_KEY_2'
    """
    found = _ENTRY.search(text)
    return found[1] if found else overlays.BACKUP_KEY


def following(entry: str) -> str:
    """The entry of the next key.

    >>> following("BACKUP_KEY"), following("BACKUP_KEY_2")
    ('BACKUP_KEY_2', 'BACKUP_KEY_3')
    """
    number = entry.removeprefix(overlays.BACKUP_KEY).lstrip("_")
    return f"{overlays.BACKUP_KEY}_{int(number or 1) + 1}"


def repository_path(text: str, environment: str) -> str:
    """The path in the bucket that a file names.

    Raises:
        InputError: it names none.
    """
    found = _PATH.search(text)
    if found is None:
        raise InputError(
            f"{place_file(environment)} has no line PGBACKREST_REPO1_PATH=",
            hint=f"Say where the backups are, such as:\n- PGBACKREST_REPO1_PATH=/{environment}-1",
        )
    return f"{found[2]}-{found[3]}" if found[3] else found[2]


def moved(text: str, environment: str) -> str:
    """The file that names the next path, and the next key's entry.

    Raises:
        InputError: it names no path.
    """
    repository_path(text, environment)
    entry = following(key_entry(text))
    text = _PATH.sub(lambda found: f"{found[1]}{found[2]}-{int(found[3] or 1) + 1}", text, count=1)
    if _ENTRY.search(text):
        return _ENTRY.sub(f"key: {entry}", text)
    return text + _BEGINS + (_STATEFUL_SET + _PROOF).format(entry=entry)
