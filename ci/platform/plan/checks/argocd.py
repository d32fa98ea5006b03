"""How far the steps are that Argo CD knows about: its Applications, and its login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ci.argocd.application import Application
from ci.argocd.client import ArgoError
from ci.argocd.environment import application_name
from ci.errors import InputError
from ci.platform.plan.checks.cluster import without_cluster
from ci.platform.plan.step import done, still_open, unknown
from ci.tree import overlays
from ci.tree.images import SERVICE_IMAGE
from ci.version.tag import PLACEHOLDER

if TYPE_CHECKING:
    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Mark
    from ci.tree.images import SourceImage


def login(outside: Outside) -> Mark:
    """Whether Argo CD answers with a login of ours."""
    if absent := without_cluster(outside):
        return absent
    try:
        argo = outside.argo()
    except InputError as error:
        return still_open(str(error))
    try:
        user = argo.user()
    except ArgoError:
        if promote(outside).word == "done":
            return done("every environment has been promoted with it, and nobody needs it now")
        raise
    if not user.get("loggedIn"):
        return still_open(f"Argo CD at {argo.url} does not know your login any more")
    return done(f"you are {user.get('username')} at {argo.url}")


def private_repository(outside: Outside) -> Mark:
    """Whether Argo CD can read the repository."""
    found = outside.github("")
    if found is not None and not found["private"]:
        return done(f"{outside.names.github} is public")
    if outside.eks() is not None:
        root = _applications(outside).get("root")
        if root is not None:
            if root[0].problems:
                return still_open(f"Argo CD can't read it: {root[0].problems[0]}")
            if root[0].revision:
                return done("Argo CD reads the repository")
    if found is None:
        return still_open(f"{outside.names.github} is private, or not there")
    return still_open(f"{outside.names.github} is private")


def _applications(outside: Outside) -> dict[str, tuple[Application, dict[str, Any]]]:
    """Every Application, parsed and as the cluster has it."""
    answer = outside.kubernetes("applications.argoproj.io", "--namespace", "argocd") or {}
    return {
        item["metadata"]["name"]: (Application.parse(item), item)
        for item in answer.get("items") or ()
    }


def hand_over(outside: Outside) -> Mark:
    """Whether root has made its Applications, and the databases are there."""
    if absent := without_cluster(outside):
        return absent
    found = _applications(outside)
    if "root" not in found:
        return still_open("there is no Application root")
    if found["root"][0].problems:
        return still_open(f"root: {found['root'][0].problems[0]}")
    databases, services = (
        [application_name(each, part) for each in overlays.environments(outside.root)]
        for part in reversed(overlays.PARTS)
    )
    missing = [name for name in (*databases, *services) if name not in found]
    if missing:
        return still_open(f"root has not made {', '.join(missing)} yet")
    for name in databases:
        app = found[name][0]
        if app.health != "Healthy":
            why = app.problems or ((app.operation.message,) if app.operation else ())
            return still_open(f"{name} is {app.health}: {why[0] if why else 'wait for it'}")
    return done(f"root has made its Applications, and {len(databases)} databases are Healthy")


def first_build(outside: Outside) -> Mark:
    """Whether the pipeline has built, and the first environment runs what it built."""
    first = overlays.first(outside.root)
    tag = tag_on_main(outside, first)
    if tag is None:
        return _builds(outside)
    return _runs(outside, first, tag)


def _builds(outside: Outside) -> Mark:
    """How the newest build of main is, while main has no tag of the pipeline's."""
    project = outside.names.pipeline
    listed = outside.aws("codebuild", "list_builds_for_project", projectName=project)
    if listed is None:
        return still_open(f"there is no build project {project}; the stack makes it")
    if not listed.get("ids"):
        return still_open("no build has been started")
    answer = outside.aws("codebuild", "batch_get_builds", ids=listed["ids"][:1]) or {}
    build = answer["builds"][0]
    number, status = build.get("buildNumber", "?"), build["buildStatus"]
    if status == "IN_PROGRESS":
        return still_open(f"build {number} is running: wait for it")
    if status != "SUCCEEDED":
        return still_open(
            f"build {number} is {status}: its log, /aws/codebuild/{project}, says why"
        )
    return still_open(
        f"build {number} has succeeded, and main has no tag of it yet: wait for"
        f" {project}-write-back, or look into its log"
    )


def promote(outside: Outside) -> Mark:
    """Whether each environment after the first has an image, and runs it."""
    marks = [_promoted(outside, each) for each in overlays.promotion_order(outside.root)[1:]]
    return next((mark for mark in marks if mark.word != "done"), marks[-1])


def _promoted(outside: Outside, environment: str) -> Mark:
    tag = tag_on_main(outside, environment)
    if tag is None:
        return still_open(f"{environment} has no image yet, and is red until its first promotion")
    return _runs(outside, environment, tag)


def tag_on_main(
    outside: Outside, environment: str, image: SourceImage = SERVICE_IMAGE
) -> str | None:
    """An environment's tag on main, or None while it is the tree's placeholder, build 0."""
    content = outside.on_main(f"{image.overlay_folder(environment)}/kustomization.yaml")
    if content is None:
        return None
    tag = str(yaml.safe_load(content)["images"][0]["newTag"])
    return None if tag.startswith(PLACEHOLDER) else tag


def _runs(outside: Outside, environment: str, tag: str) -> Mark:
    if absent := without_cluster(outside):
        return absent
    name = application_name(environment)
    found = _applications(outside).get(name)
    if found is None:
        return still_open(f"main has {tag}, and there is no Application {name}")
    app, raw = found
    images = (raw.get("status", {}).get("summary") or {}).get("images") or ()
    if not any(image.endswith(f":{tag}") for image in images):
        return still_open(f"main has {tag}, and {name} does not run it yet: python -m ci status")
    if (app.sync, app.health) != ("Synced", "Healthy"):
        return still_open(f"{name} is {app.sync} and {app.health}: python -m ci status")
    if not app.auto_sync:
        return unknown(f"{name} was rolled back by hand: python -m ci status")
    return done(f"{name} is Synced and Healthy on {tag}")
