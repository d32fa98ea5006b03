"""The pages that rules of several files rest on."""

from __future__ import annotations

SECURITY_CONTEXT = "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"
SYNC_OPTIONS = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-options/"
SYNC_WAVES = "https://argo-cd.readthedocs.io/en/release-3.4/user-guide/sync-waves/"
VOLUMES = "https://kubernetes.io/docs/concepts/storage/volumes/"

# The reference of all of Kubernetes' types, and the meaning of their fields.
API_REFERENCE = "https://kubernetes.io/docs/reference/kubernetes-api/"
YAML_TEXT = "https://yaml.org/spec/1.2.2/"
# How kubectl, kustomize and Argo CD read plain words and numbers.
YAML_TYPES = "https://yaml.org/type/"
POSTGRES_IMAGE = "https://hub.docker.com/_/postgres"


def validation(group: str) -> str:
    """Where Kubernetes' API server says what it refuses of a group, such as `core` or `batch`."""
    source = "https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/"
    return f"{source}{group}/validation/validation.go"
