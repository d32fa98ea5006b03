"""Programs that ask the API server, and what they need for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kinds import BUILT_IN_GROUPS
from treecheck.kube.kubectl import asked_rights, calls_in, runs_shell
from treecheck.kube.rights import allows, rules_of
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

ACCOUNTS = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/"
# Verbs of kubectl that ask the API server.
ASKING = (
    "annotate|apply|cordon|create|delete|describe|drain|edit|exec|get|label|logs|patch|replace|"
    "rollout|scale|set|taint|top|uncordon|wait"
)
OPTIONS = r"(?:-\S+\s+(?:[^-\s]\S*\s+)?)*?"
CALL = re.compile(rf"(?<![\w.-])kubectl\s+{OPTIONS}(?:{ASKING})\b")
# What gives kubectl another account, or keeps it from asking.
OTHERWISE = re.compile(r"--(kubeconfig|server|token|as)\b|--dry-run=client|--client\b|KUBECONFIG")

LEASE = re.compile(r"(^|_)LEASE_NAME$")


@rule("token-needed", source=ACCOUNTS, unless=("service-account-missing",))
def token_needed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that runs kubectl, in a pod without a service account's token.

    automountServiceAccountToken: false, on the pod or on its account, leaves kubectl without an
    address and a token: every call fails. A kubeconfig, and a token that a volume brings, are
    another way, and left alone.
    """
    pod = resource.pod
    if pod is None or not _is_off(pod, cluster) or _has_own_token(pod):
        return
    for path, container in pod.containers():
        if _calls(container) and not _has_config(pod, path, container, cluster):
            name = as_text(pod.spec.get("serviceAccountName")) or "default"
            where = "the pod" if "automountServiceAccountToken" in pod.spec else f"account {name}"
            yield Problem(
                f"container {container.get('name')} runs kubectl, and {where} says "
                "automountServiceAccountToken: false: it has no token, and every call fails",
                fix="Set automountServiceAccountToken: true on the pod.",
                path=(*path, "name"),
            )


def _is_off(pod: PodTemplate, cluster: Cluster) -> bool:
    written = pod.spec.get("automountServiceAccountToken")
    if written is not None:
        return written is False
    name = as_text(pod.spec.get("serviceAccountName")) or "default"
    account = cluster.get("ServiceAccount", pod.owner.namespace, name)
    return account is not None and account.body.get("automountServiceAccountToken") is False


def _has_own_token(pod: PodTemplate) -> bool:
    """Whether a volume brings a token, or a file that may be a kubeconfig."""
    for volume in map(as_mapping, as_list(pod.spec.get("volumes"))):
        sources = as_list(as_mapping(volume.get("projected")).get("sources"))
        if any("serviceAccountToken" in as_mapping(source) for source in sources):
            return True
        if re.search(r"kube-?config|credential", str(volume)):
            return True
    return False


def _calls(container: Manifest) -> bool:
    """Whether a container's command line is one of kubectl that asks the API server."""
    command, args = (
        " ".join(map(as_text, as_list(container.get(field)))) for field in ("command", "args")
    )
    image = as_text(container.get("image")).partition("@")[0].rpartition("/")[2].partition(":")[0]
    line = f"{command} {args}".strip()
    if image == "kubectl" and not command:
        line = f"kubectl {args}"
    return CALL.search(line) is not None and OTHERWISE.search(line) is None


def _has_config(pod: PodTemplate, path: FieldPath, container: Manifest, cluster: Cluster) -> bool:
    variables = variables_of(cluster, pod, path, container)
    return "KUBECONFIG" in variables.named or not variables.complete


@rule("rights-without-token", source=ACCOUNTS, severity=Severity.WARNING, unless=("token-needed",))
def rights_without_token(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A pod without a token, whose service account a RoleBinding gives rights.

    automountServiceAccountToken: false, on the pod or on its account, leaves its programs without
    a token, and so nobody can use the rights. Looked at are accounts of their own, of which no pod
    of the tree has the token, no Secret holds it, and only bindings and pods name them.
    The right to `use` something needs no token.
    """
    pod = resource.pod
    account = as_text(pod.spec.get("serviceAccountName")) if pod else ""
    if pod is None or account in {"", "default"} or not _is_off(pod, cluster):
        return
    bindings = [
        binding
        for binding in cluster.of_kind("RoleBinding", namespace=resource.namespace)
        for subject in map(as_mapping, as_list(binding.body.get("subjects")))
        if (subject.get("kind"), subject.get("name")) == ("ServiceAccount", account)
        and subject.get("namespace") in {None, resource.namespace}
    ]
    rules = rules_of(cluster, resource.namespace, account) if bindings else None
    used = any({"use"} != set(as_list(rule.get("verbs"))) for rule in rules or ())
    if used and not _token_elsewhere(cluster, resource.namespace, account):
        yield Problem(
            f"{bindings[0].kind} {bindings[0].name} gives its account {account} rights, and its "
            "pods get no token (automountServiceAccountToken: false): they can't use them",
            fix="Set automountServiceAccountToken: true on the pod, or remove the binding.",
            path=(*pod.spec_path, "automountServiceAccountToken")
            if "automountServiceAccountToken" in pod.spec
            else (*pod.spec_path, "serviceAccountName"),
            related=tuple(bindings),
            cause=f"{resource.namespace} {account}",
        )


def _token_elsewhere(cluster: Cluster, namespace: str, account: str) -> bool:
    """Whether a pod, a Secret or a resource of another kind may use an account's token."""
    for pod in cluster.pods():
        own = (pod.owner.namespace, pod.spec.get("serviceAccountName")) == (namespace, account)
        if own and (
            not _is_off(pod, cluster)
            or _has_own_token(pod)
            or any(_has_config(pod, path, each, cluster) for path, each in pod.containers())
        ):
            return True
    return any(
        secret.annotations.get("kubernetes.io/service-account.name") == account
        for secret in cluster.of_kind("Secret", namespace=namespace)
    ) or any(
        account in str(other.spec)
        for other in cluster.resources
        if other.namespace == namespace
        and other.pod is None
        and "serviceAccount" in str(other.spec)
    )


@rule(
    "lease-forbidden",
    source=ACCOUNTS,
    severity=Severity.WARNING,
    unless=("role-missing", "role-resource-unknown"),
)
def lease_forbidden(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Lease that a container is told of, and that its account's roles do not name.

    A Role may give the rights on Leases by name. The program that elects its leader by another one
    is forbidden to renew it. Looked at is the variable LEASE_NAME, also with a word before it.
    """
    pod = resource.pod
    if pod is None:
        return
    account = as_text(pod.spec.get("serviceAccountName")) or "default"
    rules = [
        rule
        for rule in rules_of(cluster, resource.namespace, account) or ()
        if allows([rule], "update", "leases")
    ]
    names = {as_text(name) for rule in rules for name in as_list(rule.get("resourceNames"))}
    if not names or not all(rule.get("resourceNames") for rule in rules):
        return
    for path, container in pod.containers():
        for name, variable in variables_of(cluster, pod, path, container).named.items():
            if LEASE.search(name) and variable.value and variable.value not in names:
                yield variable.problem(
                    name,
                    f"{name} of container {container.get('name')} is {variable.value}, and the "
                    f"roles of account {account} let it update only {', '.join(sorted(names))}: "
                    "it is forbidden to renew the Lease",
                    fix="Let the variable and resourceNames of the Role be the same name.",
                )


# The verbs of which one on a kind says that a Role is about it.
USUAL = ("get", "list", "watch", "delete", "create", "update", "patch")


@rule("right-missing", source=ACCOUNTS, unless=("role-missing", "role-resource-unknown"))
def right_missing(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container that runs kubectl, whose account may not do that.

    `kubectl get` of a whole kind lists it, and with --watch watches it; `kubectl delete` of one
    deletes it, and of several lists them first. `rollout restart`, `set`, `label` and `annotate`
    patch, `scale` patches the part `scale`, `exec` creates in `pods/exec`, `logs` gets `pods/log`.
    Each is a verb that a Role has to name; `update` does not stand for `patch`. Looked at are
    accounts that the tree binds, to roles that it has. What `apply -f` asks for is in its files,
    and not known.
    """
    pod = resource.pod
    if pod is None or _is_off(pod, cluster):
        return
    name = as_text(pod.spec.get("serviceAccountName")) or "default"
    rules = rules_of(cluster, resource.namespace, name)
    for path, container in pod.containers() if rules else ():
        if not rules or _has_config(pod, path, container, cluster):
            continue
        for words in _calls_of(container):
            asked = asked_rights(words, resource.namespace)
            missing = [(verb, kind) for verb, kind in asked if not allows(rules, verb, kind)]
            kinds = {kind.partition("/")[0] for _, kind in asked}
            if missing and any(allows(rules, verb, kind) for verb in USUAL for kind in kinds):
                kind = missing[0][1]
                verbs = ", ".join(verb for verb, other in missing if other == kind)
                yield Problem(
                    f"container {container.get('name')} runs kubectl {' '.join(words)[:50]}, and "
                    f"no Role of account {name} has {verbs} on {kind}: it is forbidden",
                    fix=f"Add {missing[0][0]} to the verbs of the rule on {kind}.",
                    path=(*path, "args" if "args" in container else "command"),
                    absent=resource.namespace,
                )
                break


def _calls_of(container: Manifest) -> Iterator[list[str]]:
    """The words of each call of kubectl that a container makes, by itself or in its shell."""
    command, args = (
        [as_text(word) for word in as_list(container.get(field))] for field in ("command", "args")
    )
    if not _calls(container):
        return
    script = next((word for word in (*command, *args) if " " in word), "")
    if script and runs_shell(container):
        yield from calls_in(script)
    elif not script:
        words = [*(command or ["kubectl"]), *args]
        if words[0].rpartition("/")[2] == "kubectl":
            yield words[1:]


ROLES = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources"
DEFINITION = "CustomResourceDefinition"
NAMELESS = {"create", "deletecollection"}


@rule("role-names-new", kinds=("Role", "ClusterRole"), source=ROLES)
def role_names_new(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A right to create, of resources by their names.

    When something is created the API server does not know its name yet, so `create` with
    resourceNames grants nothing, and neither does deletecollection. Of a part of a resource, such
    as pods/exec, the name is known, and so it is by server-side apply, which asks for patch too: a
    rule with both is left alone, unless it is about leases, which programs create. A program that
    asks the API server about rights of its own (a SubjectAccessReview) may name what it wants:
    other groups are looked at where the tree has their CustomResourceDefinition.
    """
    rules = list(each(resource, "rules"))
    served = {as_text(each.spec.get("group")) for each in cluster.of_kind(DEFINITION)}
    for place, item in rules:
        verbs = NAMELESS & set(map(str, as_list(item.get("verbs"))))
        whole = [kind for kind in map(as_text, as_list(item.get("resources"))) if "/" not in kind]
        asked = set(map(str, as_list(item.get("apiGroups")))) <= BUILT_IN_GROUPS | served | {
            "",
            "*",
        }
        if not item.get("resourceNames") or not verbs or not whole or not asked:
            continue
        if "patch" in as_list(item.get("verbs")) and "leases" not in whole:
            verbs.discard("create")
        for verb in sorted(verbs):
            missing = [kind for kind in whole if not _grants(rules, item, kind, verb)]
            if missing:
                yield Problem(
                    f"it allows to {verb} {', '.join(missing)} by name, and whoever asks to "
                    f"{verb} names none: the verb {verb} grants nothing here",
                    fix=f"Give {verb} in a rule of its own, without resourceNames.",
                    path=(*place, "resourceNames"),
                )
                break


def _grants(rules: list[tuple[FieldPath, Manifest]], item: Manifest, kind: str, verb: str) -> bool:
    """Whether a rule without names gives a verb on a kind of the same groups."""
    return any(
        not other.get("resourceNames")
        and {verb, "*"} & set(map(str, as_list(other.get("verbs"))))
        and {kind, "*"} & set(map(str, as_list(other.get("resources"))))
        and _within(as_list(item.get("apiGroups")), as_list(other.get("apiGroups")))
        for _, other in rules
    )


def _within(groups: list[object], others: list[object]) -> bool:
    return "*" in others or all(group in others for group in groups)
