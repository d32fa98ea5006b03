"""What Argo CD reads as text: rights, notifications, and its own settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from treecheck.kube.names import suggest
from treecheck.kube.waves import OPTIONS
from treecheck.model import Problem, as_list, as_mapping, as_text, each
from treecheck.registry import Family, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

RBAC = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/rbac/"
SETTINGS = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/declarative-setup/"
NOTIFICATIONS = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/notifications/"
ACCOUNTS = "https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/user-management/"
CAPABILITIES = ("apiKey", "login")
BOOLEANS = {"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"}
EFFECTS = ("allow", "deny")
ACTIONS = ("get", "create", "update", "delete", "sync", "override", "action", "invoke", "*")
PROJECT_RESOURCES = (
    "applications", "applicationsets", "clusters", "exec", "logs", "repositories", "*",
)  # fmt: skip
RESOURCES = (
    *PROJECT_RESOURCES, "accounts", "certificates", "extensions", "gpgkeys", "projects",
    "write-repositories",
)  # fmt: skip
BUILT_IN_ROLES = {"role:admin", "role:readonly"}
# Of a project's policy, what follows the project's name: [/NAMESPACE]/APPLICATION.
OBJECT = re.compile(r"(/[*\w.-]+)?/[*\w.-]+")
QUOTED = re.compile(r'"[^"]+"')
FIELDS = 6  # of a policy: p, subject, resource, action, object, effect
PART_OF = "app.kubernetes.io/part-of"


@rule("project-policy", kinds=("AppProject",), source=RBAC)
def project_policy(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A right of a project's role that Argo CD refuses.

    It reads `p, proj:PROJECT:ROLE, resource, action, PROJECT/object, allow`: the subject is the
    role that the line stands in, and the object lies in the project.
    """
    for place, role in each(resource, "spec", "roles"):
        for number, group in enumerate(map(as_text, as_list(role.get("groups")))):
            if "," in group.strip().strip('"') and not QUOTED.fullmatch(group.strip()):
                yield Problem(
                    f"group {group!r} of role {role.get('name')} has a comma, and Argo CD writes it"
                    " into a line of fields: none of the project's policies can be loaded",
                    fix="Name each group in an entry of its own, or put the one name in quotes.",
                    path=(*place, "groups", number),
                )
        for number, policy in enumerate(map(as_text, as_list(role.get("policies")))):
            words = [word.strip() for word in policy.split(",")]
            wrong = _policy_fault(words, PROJECT_RESOURCES)
            if not wrong and words[0] != "p":
                wrong = f"it starts with {words[0]!r}", "Start it with p, for a right."
            subject = f"proj:{resource.name}:{as_text(role.get('name'))}"
            if not wrong and words[1] != subject:
                wrong = f"its subject is {words[1]}", f"Write {subject}."
            if not wrong and words[4].partition("/")[0] != resource.name:
                wrong = f"its object is {words[4]}", f"Write {resource.name}/*, or one of them."
            if not wrong and not OBJECT.fullmatch(words[4].removeprefix(resource.name)):
                wrong = f"its object {words[4]} names no application", f"Write {resource.name}/*."
            if wrong:
                yield Problem(
                    f"a policy of role {role.get('name')} can't be: {wrong[0]}",
                    fix=wrong[1],
                    path=(*place, "policies", number),
                    # Whoever copies a line copies its mistake.
                    cause=f"{subject} {wrong[0].partition(' is ')[0]}",
                )


def _policy_fault(words: list[str], resources: Iterable[str]) -> tuple[str, str] | None:
    """(what is wrong, how to fix it) of a line that grants a right."""
    if len(words) != FIELDS:
        form = "p, subject, resource, action, object, allow"
        return f"it has {len(words)} fields, and a policy has {FIELDS}", f"Write {form}."
    if words[2:4] == ["projects", "get"] and "projects" not in resources:
        return "each role may get its own project without it", "Remove the line."
    if words[2] in RESOURCES and words[2] not in resources:
        grants = ", ".join(each for each in resources if each != "*")
        return (
            f"a project's role can't grant {words[2]}, which belong to no project",
            f"Grant it in argocd-rbac-cm; a project's role grants {grants}.",
        )
    for word, what, known in (
        (words[2], "resource", resources),
        (words[3].partition("/")[0], "action", ACTIONS),
        (words[5], "effect", EFFECTS),
    ):
        if word not in known:
            return f"there is no {what} {word!r}", suggest(word, known)
    return None


@rule("rbac-policy", kinds=("ConfigMap",), source=RBAC)
def rbac_policy(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A line of Argo CD's policy that grants nothing.

    A right is `p, role:NAME, resource, action, object, allow`; a member is `g, who, role:NAME`, of
    a role that has rights. A person who needs a misspelt one reads: permission denied.
    """
    if resource.name != "argocd-rbac-cm":
        return
    lines = _lines(resource)
    granted = BUILT_IN_ROLES | {words[1] for _, words in lines if len(words) > 1}
    for key, words in lines:
        wrong = _line_fault(words, granted)
        if wrong:
            yield Problem(
                f"the line {', '.join(words)!r} grants nothing: {wrong[0]}",
                fix=wrong[1],
                path=("data", key),
            )


def _lines(resource: Resource) -> list[tuple[str, list[str]]]:
    """(key, words) of each line of argocd-rbac-cm's policy."""
    return [
        (key, _words(line))
        for key, text in as_mapping(resource.body.get("data")).items()
        if re.fullmatch(r"policy(\..+)?\.csv", key) and isinstance(text, str)
        for line in text.splitlines()
    ]


@rule("rbac-default-too-broad", kinds=("ConfigMap",), source=RBAC, family=Family.POLICY)
def rbac_default_too_broad(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A default role of Argo CD that may do everything.

    policy.default holds for everyone who can log in, whatever the other lines say: with role:admin
    each of them may change every application, and read what is deployed. A role of the tree counts
    that a line gives every action on every application, or that is a member of role:admin.
    """
    default = as_text(as_mapping(resource.body.get("data")).get("policy.default")).strip()
    if resource.name != "argocd-rbac-cm" or not default:
        return
    lines = [words for _, words in _lines(resource)]
    roles, size = {default}, 0
    while size != len(roles):
        size = len(roles)
        roles |= {words[2] for words in lines if words[:1] == ["g"] and set(words[1:2]) & roles
                  and len(words) == len(("g", "who", "role"))}  # fmt: skip
    everything = any(
        words[:1] == ["p"]
        and len(words) == FIELDS
        and words[1] in roles
        and words[2] in {"applications", "*"}
        and words[3] == "*"
        and words[4] in {"*", "*/*"}
        and words[5] == "allow"
        for words in lines
    )
    if "role:admin" in roles or everything:
        yield Problem(
            f"policy.default is {default}: everyone who can log in may change every application",
            fix='Write role:readonly, or "" for no rights, and give the others by policy.csv.',
            path=("data", "policy.default"),
        )


def _words(line: str) -> list[str]:
    return [word.strip() for word in line.partition("#")[0].split(",") if line.strip()]


def _line_fault(words: list[str], granted: set[str]) -> tuple[str, str] | None:
    if not any(words):
        return None
    if words[0] == "p":
        return _policy_fault(words, RESOURCES)
    if words[0] != "g":
        return f"it starts with {words[0]!r}", "Start it with p (a right) or g (a member)."
    role = words[2] if len(words) == len(("g", "who", "role")) else ""
    if role.startswith("role:") and role not in granted:
        return f"no line gives {role} a right", suggest(role, sorted(granted))
    return None


@rule("argocd-settings-unlabelled", kinds=("ConfigMap",), source=SETTINGS)
def argocd_settings_unlabelled(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A ConfigMap of Argo CD's settings that Argo CD does not see.

    It looks for those with the label app.kubernetes.io/part-of: argocd, and goes on with its
    defaults, or fails to start, without. One that is applied server-side may add to a ConfigMap
    that has the label, and an operator labels what it makes. Known hosts, certificates and GPG
    keys are mounted into Argo CD's pods, whatever their labels.
    """
    if "ServerSideApply=true" in as_text(resource.annotations.get(OPTIONS)):
        return
    if resource.namespace.startswith("openshift-") or any(cluster.of_kind("ArgoCD")):
        return
    if resource.name == "argocd-cm" and resource.labels.get(PART_OF) != "argocd":
        yield Problem(
            f"it has no label {PART_OF}: argocd, so Argo CD does not read it",
            fix=f"Add the label {PART_OF}: argocd.",
            path=("metadata", "labels") if "labels" in resource.metadata else ("metadata",),
        )


@rule("argocd-account", kinds=("ConfigMap",), source=ACCOUNTS)
def argocd_account(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """An account of Argo CD with a capability that does not exist.

    An account has login, apiKey, or both. Another word is passed over with a line in the log: the
    account is there, and nobody can log in, or no token can be made for it. `enabled` is true or
    false.
    """
    for key, text in as_mapping(resource.body.get("data")).items():
        first, _, rest = key.partition(".")
        name, _, field = rest.partition(".")
        if resource.name != "argocd-cm" or first != "accounts" or not name:
            continue
        wrong = ""
        for word in as_text(text).split(",") if not field else ():
            if word.strip() not in {*CAPABILITIES, ""}:
                wrong = f"{word.strip()!r} is not a capability of an account"
        if field == "enabled" and text not in BOOLEANS:
            wrong = f"{text!r} is neither true nor false"
        elif field not in {"", "enabled"}:
            wrong = f"an account has no field {field!r}"
        if wrong:
            yield Problem(
                f"{key}: {wrong}: Argo CD passes over it",
                fix="Write login, apiKey, or both with a comma between."
                if not field
                else "Write accounts.NAME.enabled: 'true' or 'false'.",
                path=("data", key),
            )


@rule("notification-undefined", kinds=("ConfigMap",), source=NOTIFICATIONS)
def notification_undefined(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A notification by a trigger, with a template or through a service that is not there.

    Nobody gets the message, and only the controller's log says why. The rule looks where the
    ConfigMap has triggers, templates or services of its own. A recipient is `SERVICE` or
    `SERVICE:WHOM`, and a template's `webhook` has a key for each service it is written for.
    """
    data = as_mapping(resource.body.get("data"))
    if resource.name != "argocd-notifications-cm":
        return
    triggers, templates = _named(data, "trigger."), _named(data, "template.")
    # service.slack is called slack; service.webhook.pager is called pager.
    services = [name.rpartition(".")[2] for name in _named(data, "service.")]
    wanted: list[tuple[str, str, str, list[str]]] = []
    for key, text in data.items():
        parsed = _parsed(text)
        items = list(map(as_mapping, as_list(parsed)))
        if key == "subscriptions":
            wanted += [(key, "trigger", each, triggers) for each in _all(items, "triggers")]
            by = [each.partition(":")[0] for each in _all(items, "recipients")]
            wanted += [(key, "service", each, services) for each in by]
        elif key.startswith("trigger."):
            wanted += [(key, "template", each, templates) for each in _all(items, "send")]
        elif key.startswith("template."):
            by = list(as_mapping(as_mapping(parsed).get("webhook")))
            wanted += [(key, "service", each, services) for each in by]
    for key, what, name, known in wanted:
        if known and name not in known:
            place: FieldPath = ("data", key)
            yield Problem(
                f"{key} names {what} {name}, which is not there: nobody gets the message",
                fix=suggest(name, known),
                path=place,
                cause=f"{what} {name}",
            )


def _named(data: Manifest, prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in data if key.startswith(prefix)]


def _all(items: list[Manifest], field: str) -> list[str]:
    return [as_text(name) for item in items for name in as_list(item.get(field))]


def _parsed(text: object) -> object:
    try:
        return yaml.safe_load(as_text(text))
    except yaml.YAMLError:
        return None
