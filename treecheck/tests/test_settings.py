"""Settings: which rules run on a tree, and how their findings count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from treecheck import rules
from treecheck.cli import command
from treecheck.errors import InputError
from treecheck.registry import RULES, Family, load_rules
from treecheck.settings import CheckSettings, find_settings, parse_selectors

# A container that may run as root and whose port does not exist: one finding of each family.
POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, ownerReferences: []}
spec:
  automountServiceAccountToken: false
  securityContext: {seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: web
      image: registry.example.com/web:1.4.2
      args: ["$(NOTHING)"]
      resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
"""
FAULT, POLICY = "variable-undefined", "runs-as-root"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A git working tree with one manifest."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "apps" / "web").mkdir(parents=True)
    (tmp_path / "apps" / "web" / "pod.yaml").write_text(POD, encoding="utf-8")
    (tmp_path / "apps" / "web" / "kustomization.yaml").write_text(
        "resources: [pod.yaml]\n", encoding="utf-8"
    )
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def found(*arguments: str | Path) -> dict[str, str]:
    """Rule -> severity of what is found, without the rule on pods that nothing controls."""
    result = run(*arguments, "--format", "json")
    findings = json.loads(result.stdout)["findings"]
    return {each["rule"]: each["severity"] for each in findings if each["rule"] != "bare-pod"}


def say(tree: Path, text: str, name: str = "treecheck.toml") -> None:
    (tree / name).write_text(text, encoding="utf-8")


def test_without_settings_every_rule_runs(tree: Path) -> None:
    assert found(tree) == {FAULT: "error", POLICY: "warning"}


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ('select = ["fault"]', {FAULT}),
        ('select = ["policy"]', {POLICY}),
        ('ignore = ["policy"]', {FAULT}),
        ('ignore = ["security"]', {FAULT}),
        (f'select = ["{POLICY}"]', {POLICY}),
        (f'select = ["fault", "{POLICY}"]\nignore = ["policy"]', {FAULT, POLICY}),
        (f'select = ["all"]\nignore = ["policy", "{FAULT}"]', set()),
        ('per-path-ignores = {"apps/**" = ["policy"]}', {FAULT}),
        ('per-path-ignores = {"other/**" = ["policy"]}', {FAULT, POLICY}),
    ],
)
def test_the_settings_choose_rules_by_id_layer_and_family(
    tree: Path, text: str, rules: set[str]
) -> None:
    say(tree, text)

    assert set(found(tree)) == rules


def test_the_settings_of_a_tree_hold_in_its_folders(tree: Path) -> None:
    say(tree, 'per-path-ignores = {"apps/web/*" = ["policy"]}')

    assert set(found(tree / "apps" / "web")) == {FAULT}


def test_pyproject_holds_them_too(tree: Path) -> None:
    say(tree, '[tool.treecheck]\nselect = ["fault"]\n', "pyproject.toml")

    assert set(found(tree)) == {FAULT}


def test_a_pyproject_of_another_tool_is_passed_over(tree: Path) -> None:
    say(tree, '[tool.treecheck]\nselect = ["fault"]\n', "pyproject.toml")
    say(tree / "apps", "[tool.ruff]\n", "pyproject.toml")

    assert find_settings(tree / "apps").folder == tree


def test_settings_outside_the_git_working_tree_do_not_count(tree: Path) -> None:
    (tree / "apps" / ".git").mkdir()
    say(tree, 'select = ["fault"]')

    assert set(found(tree / "apps")) == {FAULT, POLICY}


def test_a_severity_is_that_of_the_settings(tree: Path) -> None:
    say(tree, f'severity = {{"{POLICY}" = "warning"}}')

    assert found(tree) == {FAULT: "error", POLICY: "warning"}


def test_the_command_line_wins_over_the_settings(tree: Path) -> None:
    say(tree, 'select = ["fault"]\nignore = ["runtime"]')

    assert set(found(tree)) == set()
    assert set(found(tree, "--select", f"{FAULT},{POLICY}")) == {FAULT, POLICY}
    assert set(found(tree, "--select", "policy,fault", "--ignore", POLICY)) == {FAULT}


def test_the_settings_name_the_facts_and_the_version(tree: Path) -> None:
    say(tree, 'facts = "facts/ours.yaml"\nkubernetes-version = "1.29"')
    (tree / "facts").mkdir()
    say(tree / "facts", "ignore: [apps]\n", "ours.yaml")

    assert found(tree) == {}
    assert find_settings(tree).kubernetes == "1.29"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('selct = ["fault"]', "unknown key 'selct'; known are select, ignore"),
        ('select = ["falt"]', "select has an unknown rule, layer or family: 'falt'"),
        ('select = "fault"', "select is a list of rules, layers and families, not 'fault'"),
        ('severity = {"no-such" = "error"}', "severity names an unknown rule: 'no-such'"),
        (f'severity = {{"{FAULT}" = "loud"}}', "is 'loud'; valid are error and warning"),
        ("severity = 3", "severity is a table, not 3"),
        ("facts = 3", "facts is the path of a file, not 3"),
        ('facts = "gone.yaml"', "gone.yaml can't be read"),
        ('per-path-ignores = {"a" = ["x"]}', "per-path-ignores 'a' has an unknown rule"),
        ('kubernetes-version = "9.9"', "Kubernetes '9.9'"),
        ("select = [", "treecheck.toml can't be read"),
    ],
)
def test_wrong_settings_are_refused_by_a_sentence(tree: Path, text: str, message: str) -> None:
    say(tree, text)

    result = run(tree)

    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_an_unknown_rule_of_the_command_line_gets_a_hint(tree: Path) -> None:
    result = run(tree, "--ignore", "run-as-root")

    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith("--ignore has an unknown rule")
    assert result.exception.hint == "Did you mean runs-as-root?"


def test_what_pod_security_refuses_is_a_fault(tree: Path) -> None:
    assert set(found(tree, "--select", "fault")) == {FAULT}
    labels = "{pod-security.kubernetes.io/enforce: restricted}"
    namespace = f"kind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n"
    (tree / "apps/web/pod.yaml").write_text(f"{POD}---\napiVersion: v1\n{namespace}")

    assert found(tree, "--select", "fault") == {FAULT: "error", POLICY: "error"}
    assert set(found(tree, "--select", "policy")) == set()
    assert set(found(tree, "--select", "fault", "--ignore", POLICY)) == {FAULT}
    assert set(found(tree, "--only", POLICY)) == {POLICY}


def test_each_layer_is_chosen_by_its_name_and_they_run_from_text_to_meaning() -> None:
    folders = [each.name for each in Path(rules.__file__).parent.iterdir() if each.is_dir()]
    layers = [each for each in folders if each != "__pycache__"] + ["waivers", "checker"]

    for layer in layers:
        chosen = CheckSettings(select=parse_selectors([layer], "--select")).chosen()
        assert chosen, layer
        assert {RULES[each].layer for each in chosen} == {layer}
    order = list(dict.fromkeys(rule.layer for rule in load_rules().values()))
    assert order[:5] == ["yaml_text", "schema", "api", "references", "runtime"]
    assert {*layers} <= {*order} <= {*layers, "capacity"}, "capacity is a caller's layer"


def test_several_selectors_in_one_text_are_read_without_their_blanks() -> None:
    assert parse_selectors(["fault, schema,,", "all"], "--select") == ("fault", "schema", "all")


def test_every_rule_belongs_to_a_family() -> None:
    every = load_rules().values()

    chosen = {family: CheckSettings(select=(family,)).chosen() for family in Family}

    assert {rule.id for rule in every} == chosen[Family.FAULT] | chosen[Family.POLICY]
    assert chosen[Family.FAULT] & chosen[Family.POLICY] == {r.id for r in every if r.insisted}
    assert chosen[Family.POLICY]
