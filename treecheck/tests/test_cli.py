"""`treecheck`: paths, formats, exit statuses, facts and waivers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result
from rule_cases import all_cases

from treecheck.cli import command, rule_table
from treecheck.command import run_command
from treecheck.errors import InputError
from treecheck.registry import LAYERS, RULES
from treecheck.schemas import version_of, versions

BROKEN = Path(__file__).parent / "deployment" / "broken.yaml"
SOUND = BROKEN.with_name("sound.yaml")

# The parts of SARIF 2.1.0 that we write, as its specification demands them.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": {"required": ["text"]},
                                                "fullDescription": {"required": ["text"]},
                                                "help": {"required": ["text"]},
                                                "defaultConfiguration": {
                                                    "properties": {
                                                        "level": {"enum": ["warning", "error"]}
                                                    }
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "required": ["message", "ruleId", "ruleIndex", "level"],
                            "properties": {
                                "message": {
                                    "required": ["text"],
                                    "properties": {"text": {"type": "string", "minLength": 1}},
                                },
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            }
                                                        }
                                                    }
                                                },
                                            }
                                        }
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def validate(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments], input=stdin)


def findings(*arguments: str | Path, stdin: str | None = None) -> list[dict[str, Any]]:
    result = validate(*arguments, "--format", "json", stdin=stdin)
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


def test_the_json_has_the_documented_keys_and_the_line_to_blame() -> None:
    lines = BROKEN.read_text(encoding="utf-8").splitlines()

    (finding,) = findings(BROKEN)

    assert list(finding) == ["rule", "severity", "message", "resource", "file", "line", "fix"]
    assert finding["rule"] == "number-out-of-range"
    assert finding["severity"] == "error"
    assert finding["resource"] == "Deployment default/web"
    assert finding["file"].endswith("deployment/broken.yaml")
    assert "containerPort: 80800" in lines[finding["line"] - 1]


def test_it_ends_with_1_for_findings_0_for_none_and_2_for_what_it_cannot_use(
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")

    assert validate(BROKEN).exit_code == 1
    assert validate(SOUND).exit_code == 0
    unreadable = validate(tmp_path / "broken.yaml")
    assert unreadable.exit_code == 2
    assert "broken.yaml:2: not YAML" in unreadable.stderr
    missing = validate(tmp_path / "missing.yaml")
    assert isinstance(missing.exception, InputError)
    assert "does not exist" in str(missing.exception)


def test_it_shows_what_kustomize_says(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [gone.yaml]\n", encoding="utf-8")

    result = validate(tmp_path)

    assert result.exit_code == 1
    assert "can't be built: it names gone.yaml, which is not there" in result.output


def test_it_reads_standard_input() -> None:
    text = BROKEN.read_text(encoding="utf-8")

    assert [each["rule"] for each in findings("-", stdin=text)] == ["number-out-of-range"]


def test_only_runs_the_named_rules() -> None:
    assert findings(BROKEN, "--only", "unknown-field") == []
    assert isinstance(validate(BROKEN, "--only", "no-such").exception, InputError)


def test_without_a_release_it_is_the_newest_that_can_be_checked() -> None:
    assert version_of("") == max(versions()) == versions()[-1]
    assert version_of(f"v1.{versions()[0][1]}.4") == versions()[0]


def test_an_unknown_release_of_kubernetes_is_refused() -> None:
    result = validate(BROKEN, "--kubernetes-version", "9.9")

    assert "'9.9' is none that can be checked; known are 1.25" in str(result.exception)


def test_a_deprecated_api_is_an_error_for_a_later_release(tmp_path: Path) -> None:
    example = next(each for each in all_cases() if each.rule == "deprecated-api" and each.broken)

    found = findings(example.write(tmp_path), "--kubernetes-version", "v1.34.2")

    assert [each["rule"] for each in found] == ["removed-api"]


def test_sarif_is_accepted_by_its_schema() -> None:
    log = json.loads(validate(BROKEN, "--format", "sarif").stdout)

    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "number-out-of-range"


def test_junit_counts_its_failures() -> None:
    broken = ET.parse(io.StringIO(validate(BROKEN, "--format", "junit").stdout)).getroot()
    sound = validate(SOUND, "--format", "junit").stdout

    assert broken.tag == "testsuites"
    assert broken.get("failures") == "1"
    assert len(broken.findall("./testsuite/testcase/failure")) == 1
    assert ET.fromstring(sound).findall("./testsuite/testcase/failure") == []


def test_reports_are_what_the_formats_print_and_the_text_is_printed_too(tmp_path: Path) -> None:
    endings = {"sarif": "sarif", "xml": "junit", "json": "json"}
    files = {style: tmp_path / "reports" / f"found.{end}" for end, style in endings.items()}

    result = validate(BROKEN, *(word for file in files.values() for word in ("--report", file)))

    assert result.stdout == validate(BROKEN).stdout
    for style, file in files.items():
        assert file.read_text(encoding="utf-8") == validate(BROKEN, "--format", style).stdout


@pytest.mark.parametrize(
    ("file", "words"),
    [("found.html", "says no format"), ("/dev/null/found.xml", "can't be written")],
)
def test_a_report_that_cannot_be_written_is_named(file: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as raised:
        CliRunner().invoke(command, [str(BROKEN), "--report", file], catch_exceptions=False)

    assert file in str(raised.value)


def test_explain_and_list_print_the_registry() -> None:
    explained = validate("--explain", "unknown-field").output
    listed = validate("--list").output

    assert RULES["unknown-field"].title in explained
    assert "Source:" in explained
    assert all(rule in listed for rule in RULES)


def test_the_list_of_rules_is_in_parts_by_layer() -> None:
    parts = [part.splitlines() for part in rule_table().split("\n\n")]

    assert [title for title, *_ in parts] == [
        title for layer, title in LAYERS.items() if any(r.layer == layer for r in RULES.values())
    ]
    assert sum(len(lines) - 1 for lines in parts) == len(RULES)
    assert all(line.startswith("  ") for _, *lines in parts for line in lines)


def test_a_waiver_in_the_facts_holds_until_its_date(tmp_path: Path) -> None:
    facts = tmp_path / "facts.yaml"
    waiver = {
        "rule": "number-out-of-range",
        "resource": "Deployment default/web",
        "reason": "an example",
        "expires": "2999-01-01",
    }
    facts.write_text(yaml.safe_dump({"waivers": [waiver]}), encoding="utf-8")
    assert findings(BROKEN, "--facts", facts) == []

    facts.write_text(
        yaml.safe_dump({"waivers": [{**waiver, "expires": "2020-01-01"}]}), encoding="utf-8"
    )
    rules = sorted(each["rule"] for each in findings(BROKEN, "--facts", facts))
    assert rules == ["number-out-of-range", "waiver-expired"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("storageClass: [gp2]", "unknown key 'storageClass'"),
        ("namespaces: [7]", "namespaces is a list of names"),
        ("waivers: [{rule: x}]", "needs exactly the keys rule, resource, reason, expires"),
        ("[]", "a facts file is a mapping"),
    ],
)
def test_wrong_facts_are_refused_by_a_sentence(text: str, message: str, tmp_path: Path) -> None:
    facts = tmp_path / "facts.yaml"
    facts.write_text(text, encoding="utf-8")

    assert message in str(validate(BROKEN, "--facts", facts).exception)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


DEPLOYMENT = SOUND.read_text(encoding="utf-8")
TREE = {
    "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    "base/deployment.yaml": DEPLOYMENT,
    "overlays/dev/kustomization.yaml": "namespace: dev\nresources: [../../base]\n",
    "overlays/prod/kustomization.yaml": "namespace: prod\nresources: [../../base]\n"
    "patches:\n  - path: deployment.yaml\n",
    "overlays/prod/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\n"
    "metadata: {name: web}\nspec:\n  replicas: 2\n",
}


def test_a_fault_of_the_base_is_reported_once_and_blamed_on_the_base(tmp_path: Path) -> None:
    broken = DEPLOYMENT.replace("replicas: 1", "replicas: 1\n  revisionHistoryLimit: -1")
    tree = write(tmp_path, {**TREE, "base/deployment.yaml": broken})

    (finding,) = findings(tree)

    assert finding["rule"] == "number-out-of-range"
    assert finding["file"].endswith("base/deployment.yaml")
    assert "revisionHistoryLimit" in broken.splitlines()[finding["line"] - 1]


def test_a_fault_of_an_overlay_is_blamed_on_the_overlays_own_line(tmp_path: Path) -> None:
    patch = TREE["overlays/prod/deployment.yaml"].replace("2", "-2")
    tree = write(tmp_path, {**TREE, "overlays/prod/deployment.yaml": patch})

    (finding,) = findings(tree)

    assert finding["resource"] == "Deployment prod/web"
    assert finding["file"].endswith("overlays/prod/deployment.yaml")
    assert finding["line"] == 5


def test_a_generated_config_map_is_blamed_on_its_generator(tmp_path: Path) -> None:
    generator = "resources: [deployment.yaml]\nconfigMapGenerator:\n  - name: Web\n"
    tree = write(tmp_path, {**TREE, "base/kustomization.yaml": generator + "    literals: [A=b]\n"})

    (finding,) = findings(tree / "base")

    assert (finding["rule"], finding["line"]) == ("resource-name", 3)
    assert finding["file"].endswith("base/kustomization.yaml")


APPLICATION = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  project: default
  source: {repoURL: "https://git.example.com/web.git", path: base, targetRevision: main}
  destination: {server: "https://kubernetes.default.svc", namespace: shop}
"""


def test_an_application_is_rendered_as_its_destination_sees_it(tmp_path: Path) -> None:
    broken = DEPLOYMENT.replace("replicas: 1", "replicas: -1")
    tree = write(
        tmp_path,
        {
            "argocd/web.yaml": APPLICATION,
            "base/kustomization.yaml": "resources: [deployment.yaml]\n",
            "base/deployment.yaml": broken,
        },
    )

    found = [each for each in findings(tree) if each["rule"] == "number-out-of-range"]

    assert [each["resource"] for each in found] == ["Deployment shop/web"]


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "treecheck", str(BROKEN)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "number-out-of-range" in done.stdout
    assert "1 error, 0 warnings in 1 resource in 1 cluster." in done.stdout


@pytest.mark.parametrize("hint", ["", "Name one."])
def test_an_error_of_the_program_is_its_sentence_the_next_step_and_2(
    hint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def failing() -> None:
        raise InputError("there is no folder gone", hint=hint)

    monkeypatch.setattr(sys, "argv", ["treecheck"])
    with pytest.raises(SystemExit) as caught:
        run_command(failing, "treecheck")

    assert caught.value.code == 2
    said = f"error: there is no folder gone\n{hint}"
    assert capsys.readouterr() == ("", said.rstrip() + "\n")
