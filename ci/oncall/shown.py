"""How `status` shows an environment: lines for a terminal, or plain data for a program."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ci.argocd.environment import when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.oncall.reports import Backups, Environment


def text(environment: Environment) -> list[str]:
    """Write an environment for a terminal."""
    marks = {True: "well", False: "NEEDS A PERSON"}
    lines = [f"{environment.name}: {marks[environment.is_well]}"]
    if environment.parts:
        lines += _parts(environment)
    else:
        lines.append(f"  pods       {environment.pods}")
    if environment.backups:
        lines.append(f"  backups    {environment.backups.shown}")
        lines += [f"    ! {sentence}" for sentence in environment.backups.needs_person]
        lines += [f"    - {sentence}" for sentence in environment.backups.underway]
    lines += [f"  ! {sentence}" for sentence in environment.needs_person]
    return lines + [f"  - {sentence}" for sentence in environment.underway]


def _parts(environment: Environment) -> list[str]:
    git, service = environment.git, environment.parts[0]
    lines = []
    lines.append(
        f"  git says   {git.tag or '?'}" + (f"  (commit {git.commit[:8]})" * bool(git.commit))
    )
    since = f"since {when(service.since)}, by {service.by or '?'}"
    lines.append(f"  synced     {service.synced or '?'}  {since}")
    lines.append(f"  runs       {service.runs or 'nothing'}")
    lines.append(f"  reached by {environment.reached_by}")
    for part in environment.parts:
        switch = "auto-sync on" if part.auto_sync else "AUTO-SYNC OFF"
        ready = f", {part.ready} ready" if part.ready else ""
        lines.append(f"  {part.application:<16} {part.sync}, {part.health}{ready}, {switch}")
        lines += [f"    ! {sentence}" for sentence in part.needs_person]
        lines += [f"    - {sentence}" for sentence in part.underway]
    return lines


def as_json(environment: Environment) -> dict[str, Any]:
    """Write an environment for a program; times are RFC 3339, unknown ones null."""
    return {
        "environment": environment.name,
        "well": environment.is_well,
        "git": _plain(environment.git._asdict()),
        "applications": [_plain(part._asdict()) for part in environment.parts],
        "backups": environment.backups and _backups(environment.backups),
        "reached_by": environment.reached_by,
        "needs_person": list(environment.needs_person),
        "underway": list(environment.underway),
        "pods": environment.pods,
    }


def _backups(backups: Backups) -> dict[str, Any]:
    return {**_plain(backups._asdict()), "known": _plain(backups.known)}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }
