"""Manifests that are merged into what another owner has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.model import as_text

if TYPE_CHECKING:
    from treecheck.model import Resource

# https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#server-side-apply
_PARTS = {"ServerSideApply=true", "Validate=false"}
_OF_FLUX = {"Merge", "Override"}


def is_merged(resource: Resource) -> bool:
    """Whether Flux or Argo CD merges a manifest into what is there: a part of it is enough.

    Source: https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
    """
    options = as_text(resource.annotations.get("argocd.argoproj.io/sync-options"))
    parts = {each.strip() for each in options.split(",")} >= _PARTS
    return parts or resource.annotations.get("kustomize.toolkit.fluxcd.io/ssa") in _OF_FLUX
