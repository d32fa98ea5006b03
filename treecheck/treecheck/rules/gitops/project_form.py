"""AppProjects that Argo CD's own server refuses, and that nobody looks at when they come from git.

Source of every check:
https://github.com/argoproj/argo-cd/blob/v3.4.7/pkg/apis/application/v1alpha1/app_project_types.go
(`ValidateProject`), which only its server calls.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from treecheck.kube.schedules import bad_schedule, is_zone, longest_pause
from treecheck.model import Problem, as_list, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

PROJECTS = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/projects/"
WINDOWS = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync_windows/"
KINDS = ("allow", "deny")
# A duration as Go reads it: each number has a unit.
DURATION = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
ROLE = re.compile(r"[a-zA-Z0-9]([-_a-zA-Z0-9]*[a-zA-Z0-9])?")
NOT_IN_ACCOUNT = set("!*[]{}\\/")
LONGEST_DESCRIPTION = 255


@rule("project-entry", kinds=("AppProject",), source=PROJECTS)
def project_entry(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An entry of an AppProject that Argo CD's own server refuses.

    The server checks what people write in the UI or with `argocd proj`: no entry twice, no pattern
    `!*`, names of roles without dots and spaces, quotes around a group with a comma. Nobody checks
    a project that comes from git; the first change in the UI is then refused.
    """
    found = [*_destinations(resource), *_plain_lists(resource), *_roles(resource)]
    found += _accounts(resource)
    for path, wrong, fix in found:
        yield Problem(
            f"{wrong}: Argo CD's server refuses such a project, so nobody can change it in the UI",
            fix=fix,
            path=path,
        )


Fault = tuple["FieldPath", str, str]  # (place, what is wrong, how to fix it)
ONCE = "Keep one of them."


def _destinations(project: Resource) -> Iterator[Fault]:
    seen: set[str] = set()
    for place, entry in each(project, "spec", "destinations"):
        for field in ("name", "server", "namespace"):
            if entry.get(field) == "!*":
                yield (*place, field), f"{field} !* denies everything", "Name what is denied."
        cluster = as_text(entry.get("server")) or as_text(entry.get("name"))
        key = f"{cluster}/{as_text(entry.get('namespace'))}"
        if key in seen:
            yield place, f"destination {key} is there twice", ONCE
        seen.add(key)


def _plain_lists(project: Resource) -> Iterator[Fault]:
    for field, what in (("sourceRepos", "repository"), ("sourceNamespaces", "namespace")):
        seen: set[str] = set()
        for index, text in enumerate(map(as_text, as_list(project.spec.get(field)))):
            path: FieldPath = ("spec", field, index)
            if text == "!*" and field == "sourceRepos":
                yield path, f"{what} !* denies everything", "Name what is denied."
            if text in seen:
                yield path, f"{what} {text} is there twice", ONCE
            seen.add(text)


def _roles(project: Resource) -> Iterator[Fault]:
    names: set[str] = set()
    for place, role in each(project, "spec", "roles"):
        name = as_text(role.get("name"))
        if name in names:
            yield (*place, "name"), f"role {name} is there twice", "Join the two roles."
        elif not ROLE.fullmatch(name):
            letters = "Write letters, digits, - and _, with a letter or digit at both ends."
            yield (*place, "name"), f"{name!r} is not a valid name of a role", letters
        names.add(name)
        for field, what in (("policies", "policy"), ("groups", "group")):
            seen: set[str] = set()
            for index, text in enumerate(map(as_text, as_list(role.get(field)))):
                path = (*place, field, index)
                if text in seen:
                    yield path, f"role {name} has {what} {text!r} twice", ONCE
                elif field == "groups" and (wrong := _group_fault(text)):
                    yield path, f"group {text!r} of role {name} {wrong}", "Correct the name."
                seen.add(text)


def _group_fault(text: str) -> str:
    """What is wrong with a group's name but a comma, which `project-policy` reports; or ""."""
    name = text.strip()
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = name[1:-1]
    if not name:
        return "is empty"
    if re.search(r'["\n\r\t]', name):
        return "has a quote or a line break in it"
    return "begins or ends with a space" if text != text.strip() else ""


def _accounts(project: Resource) -> Iterator[Fault]:
    """The service accounts that a project's syncs run as."""
    seen: set[str] = set()
    for place, entry in each(project, "spec", "destinationServiceAccounts"):
        account = as_text(entry.get("defaultServiceAccount"))
        if not account.strip() or NOT_IN_ACCOUNT & set(account):
            wrong = f"{account!r} is not a valid service account"
            yield place, wrong, "Write its name, or namespace:name."
        for field in ("server", "namespace"):
            if "!" in as_text(entry.get(field)):
                yield (*place, field), f"a {field} with ! can't be denied here", "Leave the ! out."
        key = f"{as_text(entry.get('server'))}/{as_text(entry.get('namespace'))}"
        if key in seen:
            yield place, f"the account for {key} is there twice", ONCE
        seen.add(key)


@rule("sync-window", kinds=("AppProject",), source=WINDOWS)
def sync_window(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A sync window that Argo CD can't read, or that does something else than it says.

    A window is of kind allow or deny, has a schedule of five fields and a duration such as 8h.
    While one that applies can't be read, nothing that it applies to is synced. An unknown time zone
    counts as UTC, and a window without applications, namespaces and clusters applies to nothing.
    """
    seen: set[str] = set()
    for place, window in each(resource, "spec", "syncWindows"):
        for field, wrong, fix in _window_faults(window):
            text = as_text(window.get(field))
            yield Problem(
                f"the {field} {text!r} of a sync window {wrong}: nothing that it applies to is "
                "synced",
                fix=fix,
                path=(*place, field) if field in window else place,
            )
        zone = as_text(window.get("timeZone"))
        if zone and not is_zone(zone):
            yield Problem(
                f"the timeZone {zone!r} of a sync window is not known: Argo CD takes UTC instead",
                fix="Write an IANA name such as Europe/Zurich or Etc/UTC.",
                path=(*place, "timeZone"),
            )
        key = json.dumps({k: v for k, v in window.items() if k in IDENTITY}, sort_keys=True)
        if key in seen:
            yield Problem(
                "the same sync window is there twice: Argo CD's server refuses such a project",
                fix=ONCE,
                path=place,
            )
        seen.add(key)
        if not any(window.get(field) for field in ("applications", "namespaces", "clusters")):
            yield Problem(
                "a sync window names no applications, namespaces or clusters, so it applies to "
                "nothing",
                fix="Add applications: ['*'], or those that it is meant for.",
                path=place,
            )


@rule("sync-window-never-closes", kinds=("AppProject",), source=WINDOWS, unless=("sync-window",))
def sync_window_never_closes(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A window that denies syncs, and is open again before it closes.

    Its duration is as long as its schedule's longest pause: `0 0 * * *` for 24h. What it applies
    to is never synced, by hand neither. With manualSync: true it means "by hand only", and is left
    alone.
    """
    for place, window in each(resource, "spec", "syncWindows"):
        schedule, duration = as_text(window.get("schedule")), as_text(window.get("duration"))
        denies = window.get("kind") == "deny" and window.get("manualSync") is not True
        named = any(window.get(field) for field in ("applications", "namespaces", "clusters"))
        if not denies or not named or any(_window_faults(window)):
            continue
        pause = longest_pause(schedule)
        if pause is not None and _seconds(duration) >= pause * 60:
            yield Problem(
                f"this window denies for {duration}, and schedule {schedule!r} opens it again "
                "before it closes: what it applies to is never synced",
                fix="Shorten the duration, or set manualSync: true to allow syncs by hand.",
                path=(*place, "duration"),
            )


def _seconds(duration: str) -> float:
    """The seconds of a sound duration."""
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


# What makes a window the same as another one (`HashIdentity`).
IDENTITY = (
    "kind", "schedule", "duration", "applications", "namespaces", "clusters", "timeZone",
    "andOperator",
)  # fmt: skip


def _window_faults(window: Manifest) -> Iterator[tuple[str, str, str]]:
    """(field, what is wrong, how to fix it)."""
    schedule, duration = as_text(window.get("schedule")), as_text(window.get("duration"))
    if as_text(window.get("kind")) not in KINDS:
        yield "kind", "is neither allow nor deny", "Write allow or deny."
    reason = "it has no fields" if not schedule.split() else bad_schedule(schedule)
    if schedule.startswith("@"):
        reason = "words are not read here"
    if reason and not schedule.startswith(("TZ=", "CRON_TZ=")):
        yield "schedule", f"can't be read ({reason})", 'Write five fields such as "0 22 * * *".'
    if not DURATION.fullmatch(duration):
        yield "duration", "can't be read", "Write a number with h, m or s, such as 8h or 90m."
    if len(as_text(window.get("description"))) > LONGEST_DESCRIPTION:
        yield "description", f"is over {LONGEST_DESCRIPTION} characters", "Shorten it."
