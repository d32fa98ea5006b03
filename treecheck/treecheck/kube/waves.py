"""The order in which Argo CD applies a sync: phases, then waves.

Source: https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-waves/: each wave's resources
have to be healthy, and each phase's hooks done, before the next is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_text

if TYPE_CHECKING:
    from treecheck.model import Resource

WAVE = "argocd.argoproj.io/sync-wave"
HOOK = "argocd.argoproj.io/hook"
HOOK_DELETE = "argocd.argoproj.io/hook-delete-policy"
HELM_HOOK = "helm.sh/hook"  # in a chart's rendered output; Argo CD runs those as hooks too
OPTIONS = "argocd.argoproj.io/sync-options"

PHASES = ("PreSync", "Sync", "PostSync")
OTHER_HOOKS = ("Skip", "SyncFail", "PreDelete", "PostDelete")
DELETE_POLICIES = ("HookSucceeded", "HookFailed", "BeforeHookCreation")


def words(text: str) -> list[str]:
    """The words of a comma-separated annotation."""
    return [word.strip() for word in text.split(",") if word.strip()]


def is_hook(resource: Resource) -> bool:
    """Whether Argo CD runs the resource as a hook."""
    return bool(words(as_text(resource.annotations.get(HOOK))))


def is_helm_hook(resource: Resource) -> bool:
    """Whether Helm's annotation alone makes a resource a hook, which Argo CD honours.

    Source: https://argo-cd.readthedocs.io/en/release-3.4/user-guide/helm/#helm-hooks
    """
    return bool(resource.annotations.get(HELM_HOOK)) and not is_hook(resource)


def delete_policies(resource: Resource) -> list[str]:
    """When Argo CD deletes a hook: without a known policy, before it creates the next one.

    Source: https://argo-cd.readthedocs.io/en/release-3.4/user-guide/resource_hooks/.
    """
    given = words(as_text(resource.annotations.get(HOOK_DELETE)))
    return [policy for policy in given if policy in DELETE_POLICIES] or ["BeforeHookCreation"]


def position(resource: Resource) -> tuple[int, int] | None:
    """(phase, wave) in which a sync applies a resource; None when a normal sync doesn't.

    When it runs a hook of Helm's is not known either: by Helm's own events and weights.
    """
    if is_helm_hook(resource):
        return None
    hooks = words(as_text(resource.annotations.get(HOOK))) or ["Sync"]
    phases = [PHASES.index(hook) for hook in hooks if hook in PHASES]
    if not phases:
        return None
    try:
        return min(phases), int(resource.annotations.get(WAVE, "0"))
    except ValueError:
        return min(phases), 0


def shown(place: tuple[int, int]) -> str:
    """A position as a message names it."""
    return f"{PHASES[place[0]]} wave {place[1]}"
