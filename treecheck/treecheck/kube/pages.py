"""The pages that rules of several files rest on."""

from __future__ import annotations

SECURITY_CONTEXT = "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"
SYNC_OPTIONS = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-options/"
SYNC_WAVES = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-waves/"
VOLUMES = "https://kubernetes.io/docs/concepts/storage/volumes/"
