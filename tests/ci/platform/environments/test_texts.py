"""How a file becomes another environment's, and how the cluster's size is written."""

from __future__ import annotations

import pytest

from ci.errors import InputError
from ci.platform.environments import texts
from ci.platform.environments.size import Size, grown, shrunk, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("namespace: coworking-prod", "namespace: coworking-qa"),
        ("name: postgres-prod", "name: postgres-qa"),
        ("path: overlays/prod/coworking", "path: overlays/qa/coworking"),
        ("`make render ENV=prod`", "`make render ENV=qa`"),
        ("takes prod's service away", "takes qa's service away"),
        ("# settings: {prod_internal}", "# settings: {prod_internal}"),
        ("coworking-pre-prod, pre-prod", "coworking-pre-prod, pre-prod"),
        ("overlays/prod-2, coworking-prod-2", "overlays/prod-2, coworking-prod-2"),
        ("product, /prod, x.prod", "product, /prod, x.prod"),
    ],
)
def test_an_environments_name_is_replaced_where_it_is_one(text: str, expected: str) -> None:
    assert texts.renamed(text, "prod", "qa") == expected


def test_a_name_with_a_hyphen_is_replaced_as_a_whole() -> None:
    text = "ENV=pre-prod coworking-pre-prod prod coworking-prod"
    assert texts.renamed(text, "pre-prod", "qa") == "ENV=qa coworking-qa prod coworking-prod"


LIST = "kind: Kustomization\nresources:\n  - b.yaml\n  - a.yaml\npatches:\n  - path: z.yaml\n"


def test_a_list_keeps_its_own_order() -> None:
    more = texts.listed(LIST, "aa.yaml")
    assert "resources:\n  - aa.yaml\n  - b.yaml\n  - a.yaml\npatches:" in more
    assert texts.unlisted(more, "aa.yaml") == LIST


def test_a_kustomization_without_a_list_is_refused() -> None:
    with pytest.raises(InputError, match=r"no list `resources:`"):
        texts.listed("kind: Kustomization\n", "a.yaml")


CLUSTER = """\
managedNodeGroups:
  - name: one
    maxSize: 3
    # A comment.
    desiredCapacity: 2
  - name: two
    maxSize: 1
    desiredCapacity: 1
"""


def test_the_first_group_grows_and_says_for_whom() -> None:
    more = grown(CLUSTER, 4, "qa")
    assert "    maxSize: 4 # 1 for qa\n" in more
    assert "    desiredCapacity: 4 # 2 for qa\n" in more
    assert more.endswith("    maxSize: 1\n    desiredCapacity: 1\n")
    assert size(more) == Size(4, 4)


def test_another_group_stays_where_the_first_has_room_already() -> None:
    more = grown(CLUSTER, 3, "qa")
    assert more == CLUSTER.replace("desiredCapacity: 2", "desiredCapacity: 3 # 1 for qa")


def test_each_environment_gives_its_own_nodes_back() -> None:
    both = grown(grown(CLUSTER, 4, "qa"), 5, "pre-qa")
    assert "    desiredCapacity: 5 # 2 for qa, 1 for pre-qa\n" in both
    assert "    desiredCapacity: 3 # 1 for pre-qa\n" in shrunk(both, "qa")
    assert shrunk(shrunk(both, "qa"), "pre-qa") == CLUSTER
    assert shrunk(shrunk(both, "pre-qa"), "qa") == CLUSTER


def test_what_grew_for_nobody_stays() -> None:
    text = CLUSTER.replace("maxSize: 3", "maxSize: 3 # spot is cheap")
    assert shrunk(text, "qa") == text
    assert shrunk(grown(text, 4, "qa"), "qa") == text


def test_a_size_that_is_written_otherwise_is_not_guessed() -> None:
    assert size("managedNodeGroups: []\n") is None
