"""How far the steps are that this checkout and GitHub know about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.platform.plan.checks.cluster import without_cluster
from ci.platform.plan.step import done, still_open, unknown
from ci.platform.plan.steps import EXAMPLE_OWNER
from ci.platform.plan.tools import missing
from ci.tree import overlays, seal_cert, sealing
from ci.tree.seal import sealed_with
from ci.tree.settings import FILE

if TYPE_CHECKING:
    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Mark


def tools(outside: Outside) -> Mark:
    """Whether every program is installed, in a version that works."""
    del outside
    wrong, silent = missing()
    if wrong:
        return still_open(f"install {', '.join(wrong)}")
    if silent:
        return unknown(f"no version is said by {', '.join(silent)}")
    return done("every tool is there")


def configure(outside: Outside) -> Mark:
    """Whether settings.yaml is still the example's."""
    values = outside.names.settings
    if f"/{EXAMPLE_OWNER}/" in values.git_url:
        return still_open(f"settings.yaml still names the example's repository, {values.git_url}")
    return done(f"settings.yaml says account {values.account}, {values.region}, {values.git_url}")


def _unsealed(outside: Outside) -> Mark | None:
    """The mark of a step that needs secrets of one's own while there are none."""
    for environment in overlays.environments(outside.root):
        path = overlays.certificate_path(environment, outside.root)
        certificate = sealing.read_certificate(path)
        if certificate.throw_away:
            return still_open(f"{environment} is sealed for a key that was thrown away")
        if sealed_with(environment, outside.root) != certificate.fingerprint:
            return still_open(f"{environment}'s secret is not sealed with its certificate")
    return None


def seal(outside: Outside) -> Mark:
    """Whether every overlay is sealed for this cluster."""
    if unsealed := _unsealed(outside):
        return unsealed
    if absent := without_cluster(outside):
        return absent
    outside.in_cluster()
    live = seal_cert.fetch(*sealing.CONTROLLER)
    for environment in overlays.environments(outside.root):
        path = overlays.certificate_path(environment, outside.root)
        is_newest = sealing.read_certificate(path).fingerprint == live.fingerprint
        # The controller makes a new key each month, and opens what was sealed for an older one.
        if not is_newest and not _is_opened(outside, environment):
            return still_open(f"{environment} is sealed for another cluster's certificate")
    return done("every environment is sealed for this cluster")


def _is_opened(outside: Outside, environment: str) -> bool:
    """Whether the controller says that it has opened an environment's sealed secret."""
    target = overlays.secret_name(environment, outside.root)
    where = ("sealedsecrets.bitnami.com", target.name, "--namespace", target.namespace)
    found = outside.kubernetes(*where) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Synced" and one["status"] == "True" for one in conditions)


def push(outside: Outside) -> Mark:
    """Whether main on GitHub has this checkout's settings and sealed secrets."""
    if unsealed := _unsealed(outside):
        return unsealed
    files = [outside.root / FILE]
    for environment in overlays.environments(outside.root):
        files.append(overlays.certificate_path(environment, outside.root))
        files.append(overlays.sealed_secret_path(environment, outside.root))
    if outside.github("") is None:
        return unknown(
            f"GitHub shows no repository {outside.names.github}; a private one needs GIT_TOKEN_FILE"
        )
    for file in files:
        path = file.relative_to(outside.root).as_posix()
        there = outside.on_main(path)
        if there != file.read_bytes():
            return still_open(f"main on GitHub does not have your {path}")
    return done("main on GitHub has your settings and sealed secrets")


def webhook(outside: Outside) -> Mark:
    """Whether GitHub calls Argo CD."""
    answer = outside.github("/hooks")
    if answer is None:
        return unknown("GitHub shows webhooks only to a token that may administer the repository")
    for hook in answer["items"]:
        if str(hook["config"].get("url", "")).endswith("/api/webhook"):
            return done(f"GitHub calls {hook['config']['url']}")
    return still_open("GitHub does not call Argo CD, which looks once a minute")
