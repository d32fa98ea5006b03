"""The wait of `root` for somebody to confirm that an Application may go.

Prod's Application has `Prune=confirm`: when its file is left out of git, the sync of root stays
Running until an annotation of root confirms it (Argo CD 3.4: gitops-engine, sync_context.go).
Syncs and rollbacks of the Application itself go on meanwhile, since they are its own operations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = "root"
_WAITS = re.compile(r"waiting for pruning confirmation of argoproj\.io/Application/(?P<name>\S+)")


def waiting(applications: Iterable[Mapping[str, Any]], name: str) -> str:
    """Say that root waits for a confirmation to delete an Application; empty if it doesn't.

    Args:
        applications: those that Argo CD shows, as it answers.
        name: the Application that would go.
    """
    for app in applications:
        state = app.get("status", {}).get("operationState") or {}
        found = _WAITS.search(str(state.get("message") or ""))
        if (
            app["metadata"]["name"] == ROOT
            and state.get("phase") == "Running"
            and found
            and found["name"] == name
        ):
            return (
                f"git no longer has {name}, and root waits before it deletes it with all that it"
                f" deployed. To keep it, revert the commit, then: argocd app terminate-op {ROOT}."
                f" To delete it, as an administrator: argocd app confirm-deletion {ROOT}"
            )
    return ""
