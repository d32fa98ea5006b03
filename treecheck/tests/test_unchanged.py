"""What is known without running kustomize is exactly what kustomize makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from treecheck import rendering, slim
from treecheck.rendering import Rendered, closure, render
from treecheck.slim import Slim
from treecheck.unchanged import listed_only

if TYPE_CHECKING:
    from pathlib import Path

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
LISTS = {"kustomization.yaml": "resources: [a.yaml]\n"}


def one(body: str) -> dict[str, str]:
    return {**LISTS, "a.yaml": f"{SERVICE}spec:\n  {body}\n"}


# Shapes that are known, and what they are.
KNOWN: dict[str, dict[str, str]] = {
    "several kinds in kustomize's order": {
        "kustomization.yaml": "resources: [z.yaml, b, a.yaml]\n",
        "z.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: z}\n---\n"
        "apiVersion: shop.example.com/v1\nkind: Shop\nmetadata: {name: z}\n",
        "a.yaml": f"{SERVICE}---\n# nothing\n---\n{SERVICE.replace('web', 'api')}",
        "b/kustomization.yaml": "resources: [ns.yaml]\n",
        "b/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    },
    "a namespace inside": {
        "kustomization.yaml": "kind: Kustomization\nnamespace: shop\nresources: [a.yaml, b.yaml]\n",
        "a.yaml": SERVICE.replace("web", "web, namespace: old"),
        "b.yaml": "apiVersion: shop.example.com/v1\nkind: Shop\nmetadata: {name: z}\n",
    },
    "no annotations": {**LISTS, "a.yaml": SERVICE.replace("web", "web, annotations: {}")},
    "annotations": {**LISTS, "a.yaml": SERVICE.replace("web", 'web, annotations: {a.b/c: "1"}')},
    "words of YAML 1.1 in quotes": one('words: ["on", "yes", "012", "1e3", "2024-01-01", "", "~"]'),
    "numbers": one("numbers: [0, -12, 1.50, 2.0, 0.000001, 0644, true, false]"),
    "nulls": {
        **LISTS,
        "a.yaml": "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\na: null\nb:\nc: ~\n",
    },
    "anchors": one("first: &a {b: [&c x, *c]}\n  second: [*a, *a]"),
    "texts of several lines": one(
        "kept: |\n    one\n\n      two\n  stripped: |-\n    # a\n    b: c\n  plain: one\n    two"
    ),
    "other letters and escapes": one('text: "é\\u2014\\t \\u0007 \\U0001F600"'),
    "keys in their order": one("{a_b: 1, aB: 1, a-b: 1, ab1: 1, ab2: 1, é: 1, A: 1, Z_1: 1}"[1:-1]
        .replace(", ", "\n  ")),
}  # fmt: skip
# Shapes of which only kustomize knows what it makes, or that it refuses.
UNKNOWN: dict[str, dict[str, str]] = {
    "a null in braces": one("a: {b: }"),
    "a day": one("day: 2024-01-01"),
    "a word of YAML 1.1": one("word: yes"),
    "another number": one("number: 1_000"),
    "a tag": one("tag: !!str 12"),
    "a merge": one("first: &a {b: c}\n  second: {<<: *a}"),
    "a folded text": one("text: >\n    one\n\n      two"),
    "a key twice": one("a: 1\n  a: 2"),
    "numbers in keys": one("a1: 1\n  a10: 1\n  a2: 1"),
    "a label that is a number": {**LISTS, "a.yaml": SERVICE.replace("web", "web, labels: {a: 1}")},
    "a list": {**LISTS, "a.yaml": "apiVersion: v1\nkind: List\nitems: []\n"},
    "an annotation of kustomize": {
        **LISTS,
        "a.yaml": SERVICE.replace("web", "web, annotations: {config.kubernetes.io/x: x}"),
    },
    "the same twice": {**LISTS, "a.yaml": f"{SERVICE}---\n{SERVICE}"},
    "no name": {**LISTS, "a.yaml": SERVICE.replace("name: web", "generateName: web-")},
    "a missing file": {"kustomization.yaml": "resources: [b.yaml]\n", "a.yaml": SERVICE},
    "another version": {
        "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v9\nresources: [a.yaml]\n",
        "a.yaml": SERVICE,
    },
    "nothing": {"kustomization.yaml": "resources: []\n"},
    "another field": {
        "kustomization.yaml": "namePrefix: a-\nresources: [a.yaml]\n", "a.yaml": SERVICE,
    },
    "a Namespace in a namespace": {
        "kustomization.yaml": "namespace: shop\nresources: [a.yaml]\n",
        "a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: old}\n",
    },
    "itself": {
        "kustomization.yaml": "resources: [b]\n",
        "b/kustomization.yaml": "resources: [..]\n",
    },
}  # fmt: skip


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def typed(value: Any) -> Any:
    """A value that differs from another one where types or the order of keys differ."""
    if isinstance(value, dict):
        return [(key, typed(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [[typed(each) for each in value]]
    return type(value), value


def shown(made: list[Rendered]) -> Any:
    return [(typed(each.body), each.file, each.generated) for each in made]


@pytest.mark.parametrize("options", ["", '{"namespace": "front"}'])
@pytest.mark.parametrize("name", KNOWN)
def test_it_makes_what_kustomize_makes(
    name: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, KNOWN[name])
    known = listed_only(folder, "front" if options else "")
    assert (known is None) == bool(options and "kinds" in name)  # one is a Namespace
    fast = render(folder, options)
    monkeypatch.setattr(rendering, "listed_only", lambda *_, **__: None)

    assert shown(fast) == shown(render(folder, options))


@pytest.mark.parametrize("name", UNKNOWN)
def test_it_leaves_the_rest_to_kustomize(name: str, tmp_path: Path) -> None:
    assert listed_only(written(tmp_path, UNKNOWN[name])) is None


def test_it_leaves_links_and_files_outside_to_kustomize(tmp_path: Path) -> None:
    written(tmp_path, {"web.yaml": SERVICE})
    folder = written(tmp_path / "in", {}) if (tmp_path / "in").mkdir() is None else tmp_path
    written(folder, {"kustomization.yaml": "resources: [../web.yaml]\n"})
    outside = listed_only(folder), listed_only(folder, restricted=False)
    (folder / "link.yaml").symlink_to(tmp_path / "web.yaml")
    written(folder, {"kustomization.yaml": "resources: [link.yaml]\n"})

    assert (outside[0], len(outside[1] or [])) == (None, 1)
    assert listed_only(folder, restricted=False) is None


DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.shop.example.com}
spec:
  group: shop.example.com
  versions:
    - name: v1
      schema: {openAPIV3Schema: {type: object, description: "a shop", properties: {b: {}, a: {}}}}
"""
CONVERSION = """
  - patch: |
      apiVersion: apiextensions.k8s.io/v1
      kind: CustomResourceDefinition
      metadata: {name: shops.shop.example.com}
      spec: {conversion: {strategy: None}}
"""
SCHEMA = """
  - target: {kind: CustomResourceDefinition}
    patch: '[{"op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/description"}]'
"""


@pytest.mark.parametrize(
    ("fields", "slims"),
    [
        ("", True),
        (f"patches:{CONVERSION}", True),
        (f"patches:{SCHEMA}", False),
        ("configMapGenerator: [{name: shop, files: [a.yaml]}]", False),
        ("resources: [a.yaml]\nnamePrefix: x-\ncommonLabels: {a: b}", True),
    ],
)
def test_it_puts_schemas_back_that_kustomize_passes_on(
    fields: str, slims: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = "" if "resources" in fields else "resources: [a.yaml]\n"
    files = {"kustomization.yaml": f"{listing}{fields}\n", "a.yaml": f"{DEFINITION}---\n{SERVICE}"}
    folder = written(tmp_path, files)
    monkeypatch.setattr(rendering, "listed_only", lambda *_, **__: None)
    whole = shown(render(folder))  # the file is too small for a copy without its schema
    monkeypatch.setattr(slim, "SMALLEST", 1)
    monkeypatch.setenv("TREECHECK_CACHE_DIR", str(tmp_path / "kept"))

    assert bool(Slim(closure(folder), []).files) is slims
    assert shown(render(folder)) == whole
