"""The facts file: every key, and what is refused."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

from treecheck.cluster import matches
from treecheck.errors import InputError
from treecheck.facts import NAME_LISTS, Facts, read_facts

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """\
kubernetes: "1.32"
storageClasses: [a]
ingressClasses: [b]
priorityClasses: [c]
runtimeClasses: [d]
customKinds: [example.com/E]
namespaces: [f]
secrets: [f/g]
configMaps: [f/h]
services: [f/i]
serviceAccounts: [f/j]
dnsPods: {namespace: dns, labels: {app: core}}
clusters: [{name: l, server: https://l.example.com, labels: {m: o}}]
nodes: [{name: p, count: 2, taints: ["q=r:NoSchedule"]}]
defaultStorageClass: ""
ignore: [examples]
waivers:
  - rule: bare-pod
    resource: Pod f/k
    reason: later
    expires: "2027-06-30"
"""


def read(folder: Path, text: str) -> Facts:
    (folder / "facts.yaml").write_text(text, encoding="utf-8")
    return read_facts(folder / "facts.yaml")


def test_every_key_is_read(tmp_path: Path) -> None:
    facts = read(tmp_path, WHOLE)

    lists = [sorted(getattr(facts, attribute)) for attribute in NAME_LISTS.values()]
    assert lists == [
        *(["a"], ["b"], ["c"], ["d"], ["example.com/E"]),
        *(["f"], ["f/g"], ["f/h"], ["default/kubernetes", "f/i"], ["f/j"]),
    ]
    assert facts.kubernetes == "1.32"
    assert (facts.dns_namespace, facts.dns_labels) == ("dns", {"app": "core"})
    (cluster,) = facts.clusters
    assert cluster == {"name": "l", "server": "https://l.example.com", "labels": {"m": "o"}}
    assert facts.nodes == ({"name": "p", "count": 2, "taints": ["q=r:NoSchedule"]},)
    assert (facts.default_storage_class, facts.knows("defaultStorageClass")) == ("", True)
    assert facts.ignore == ("examples",)
    (waiver,) = facts.waivers
    assert (waiver.rule, waiver.resource, waiver.reason) == ("bare-pod", "Pod f/k", "later")
    assert (waiver.expires, waiver.file, waiver.line) == (
        datetime.date(2027, 6, 30),
        tmp_path / "facts.yaml",
        18,
    )
    assert all(facts.knows(key) for key in NAME_LISTS)


def test_each_waiver_is_found_at_its_own_line_and_one_in_braces_in_the_first(
    tmp_path: Path,
) -> None:
    fields = "{}rule: a\n    resource: b\n    reason: c\n    expires: '2027-06-30'\n"
    two = f"waivers:\n{fields.format('  - ')}{fields.format('  - ')}"
    braces = (
        "kubernetes: '1.32'\nwaivers:\n- {resource: b, rule: a, reason: c, expires: 2027-06-30}"
    )

    assert [each.line for each in read(tmp_path, two).waivers] == [2, 6]
    assert [each.line for each in read(tmp_path, braces).waivers] == [1]


def test_what_is_left_out_is_not_known(tmp_path: Path) -> None:
    facts = read(tmp_path, "secrets: []\n")

    assert facts.knows("secrets")
    assert not facts.knows("services")
    assert (facts.dns_namespace, facts.dns_labels) == ("kube-system", {"k8s-app": "kube-dns"})
    assert read(tmp_path, "") == Facts(file=tmp_path / "facts.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a]", "a facts file is a mapping with the keys kubernetes, storageClasses"),
        ("secret: [a]", "unknown key 'secret'; known are kubernetes"),
        ("secrets: ''", "secrets is a list of names, and '' is none"),
        ("defaultStorageClass: []", 'defaultStorageClass is a name, or "" where there is none'),
        ("nodes: [{count: 2}]", "each of nodes is a mapping with a name"),
        ("secrets: [1]", "secrets"),
        ("waivers: [{rule: bare-pod}]", "waivers"),
        (WHOLE.replace("2027-06-30", "30.6.2027"), "30.6.2027"),
    ],
)
def test_another_form_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, text)
    assert "facts.yaml" in str(raised.value)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"app": "web"}, True),
        ({"app": "web", "tier": "x"}, False),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Like"}]}, False),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "x", "operator": "Exists"}],
            },
            False,
        ),
    ],
)
def test_a_selector_chooses_labels(selector: dict[str, object], chosen: bool) -> None:
    assert matches(selector, {"app": "web"}) is chosen
