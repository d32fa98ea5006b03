"""What kustomize says, as a clause for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from treecheck.kustomize import plain_reason, reason

MERGED = (
    "merging from generator &{0x2e25ec6a2000 0x2e25ecd23c80}: id resid.ResId{Gvk:resid.Gvk{"
    'Group:"", Version:"v1", Kind:"ConfigMap", isClusterScoped:false}, Name:"settings", '
    'Namespace:""} does not exist; cannot merge or replace'
)
CREATED = "exists; can not use behavior: 'create', behavior must be one of [merge replace]"
NO_RESOURCE = (
    "accumulation err='accumulating resources from '../../base/a.yaml': missing Resource "
    "metadata': must build at directory: '/tree/base/a.yaml': file is not directory"
)
FOLDER = Path("/tree/overlays/prod")


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        (
            MERGED,
            "a generator is to merge into settings, which nothing before it generates",
        ),
        (
            "expected kind != 'Component' for path '/tree/base/several'",
            "it has component ../../base/several among resources",
        ),
        (
            "no matches for Id Deployment.v1.apps/web.[noNs]; failed to find unique target",
            "no resource is Deployment web, which a patch of it changes",
        ),
        (
            MERGED.replace("does not exist; cannot merge or replace", CREATED),
            "a generator creates settings, which its base generates too (write behavior: merge)",
        ),
        (
            MERGED.replace("does not exist; cannot merge or replace", "is odd at 0xc000a1b2c3"),
            "merging from generator it: id ConfigMap settings is odd at it",
        ),
        (
            NO_RESOURCE,
            "what ../../base/a.yaml has is not a resource: it has no apiVersion, kind and metadata",
        ),
        ("something new\nand more", "something new"),
        (
            "trouble configuring builtin PatchTransformer with config: `\na: b\n`: it is odd",
            "trouble configuring builtin PatchTransformer: it is odd",
        ),
    ],
)  # fmt: skip
def test_a_reason_is_a_clause_without_addresses_of_memory(said: str, plain: str) -> None:
    assert plain_reason(f"{FOLDER} can't be rendered: {said}", FOLDER) == plain


def test_a_warning_is_no_reason() -> None:
    said = (
        "# Warning: 'bases' is deprecated. Please use 'resources' instead.\n"
        "error: field specified in var 'place' not found in corresponding resource\n"
    )

    assert reason(said) == "field specified in var 'place' not found in corresponding resource"
