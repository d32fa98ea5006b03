"""Every `aws`, `eksctl`, `kubectl` and `argocd` line of the tree is one that its tool understands.

How lines are found and asked about: tests/docs/commands.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.docs.commands import aws, from_help, kubectl, verbs
from tests.docs.commands.check import faults
from tests.docs.commands.first_words import first_words
from tests.docs.commands.lines import PLAN, TOOLS, Line, lines_of, lines_of_the_tree, texts
from tests.docs.commands.shell import simple_commands

if TYPE_CHECKING:
    from pathlib import Path

# A tool's name and one of its subcommands that are not a command, by file, and what they are.
NO_COMMAND = {
    ("ci/platform/plan/bootstrap.py", "aws eks"): "a pattern that finds the line in the page",
    ("ci/platform/plan/bootstrap.py", "kubectl apply"): "the same",
    ("treecheck/treecheck/kube/kubectl.py", "kubectl get"): "an example of a shell's script",
    ("treecheck/treecheck/kube/kubectl.py", "kubectl rollout"): "the same",
}


def found(name: str, text: str) -> list[str]:
    """The faults of a text that stands in no file."""
    return [fault for line in lines_of(name, text) for fault in faults(line)]


@pytest.mark.thorough
@pytest.mark.parametrize("tool", [*TOOLS, "ci"])
def test_every_line_is_one_that_its_tool_understands(tool: str) -> None:
    lines = [line for line in lines_of_the_tree() if line.words[0] == tool]
    if tool == "kubectl":
        kubectl.ask_together(line.words for line in lines)

    assert [fault for line in lines for fault in faults(line)] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_lines_of_every_tool_are_found_in_pages_and_in_the_plan(tool: str) -> None:
    places = {line.file for line in lines_of_the_tree() if line.words[0] == tool}

    assert PLAN in places
    assert any(place.endswith(".md") for place in places)


def test_no_command_stands_where_nothing_looks_for_it() -> None:
    missed = []
    for name, text in texts():
        parsed = Counter(line.words[:2] for line in lines_of_the_tree() if line.file == name)
        for tool in TOOLS:
            known = "|".join(map(re.escape, sorted(first_words(tool), key=len, reverse=True)))
            for match in re.finditer(rf"(?<![\w./-]){tool}[ ]+({known})(?![\w./:-])", text):
                parsed[tool, match[1]] -= 1
                if parsed[tool, match[1]] < 0 and (name, match[0]) not in NO_COMMAND:
                    number = text.count("\n", 0, match.start()) + 1
                    missed.append(f"{name}:{number}: {match[0]}: put it in backticks, or alone")

    assert missed == []


def test_every_exception_is_still_needed() -> None:
    beginnings = {line.words[1:3] for line in lines_of_the_tree() if line.words[0] == "aws"}
    files = {
        name
        for line in lines_of_the_tree()
        for word in line.words
        if (name := word.rpartition("file://")[2]) in aws.FILES
    }

    assert set(aws.V2_ONLY) <= beginnings
    assert set(aws.FILES) == files
    assert {name for name, _ in NO_COMMAND} <= {name for name, _ in texts()}
    assert set(verbs.NO_VERB) <= {(line.file, line.words[1]) for line in lines_of_the_tree()}


PAGE = """\
First

```
kubectl apply --server-side --field-manger=coworking -k argocd/config
aws eks update-kubeconfig --name my-cluster --regin us-east-1
aws codebuild start-build --project-name coworking \\
    --environment-variables-override name=A,value=B,type=PLAIN
argocd login localhost:8080 --insecre && eksctl get cluster
for env in dev prod; do kubectl -n coworking-$env rollout restrt deployment; done
```

Or `argocd accont list`, or the
`eksctl upgrade cluster --config-file infra/eksctl/cluster.yaml --aprove`; its
registry: `kubectl apply -k argocd/adons`, `aws ecr get-login-pasword | docker login`.
"""


def test_a_misspelt_word_is_named_with_its_line_and_the_nearest_valid_one() -> None:
    assert [re.sub(r"(?<=\d): \S.*?: ", ": ", each) for each in found("page.md", PAGE)] == [
        "page.md:4: unknown flag --field-manger; the nearest is --field-manager",
        "page.md:5: unknown option --regin; the nearest is --region",
        "page.md:6: environmentVariablesOverride[0].type can't be PLAIN; the nearest is PLAINTEXT",
        "page.md:8: unknown flag --insecre; the nearest is --insecure",
        "page.md:9: unknown command kubectl rollout restrt; the nearest is restart",
        "page.md:12: unknown command argocd accont list; the nearest is account list",
        "page.md:13: unknown flag --aprove; the nearest is --approve",
        "page.md:14: argocd/adons is not in the tree",
        "page.md:14: unknown operation get-login-pasword; the nearest is get-login-password",
    ]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.py", '"""Sees `kubectl get pods --watc` first."""\n', 1),
        ("a.py", 'HINT = (\n    "Look:\\n"\n    "kubectl get pods --watc"\n)\n', 3),
        ("a.py", 'hint = f"{x}: wait"\ny = f"kubectl -n {x} get pods --watc"\n', 2),
        ("a.py", 'run(["kubectl", "get", "pods", "--watc", *more])\n', 1),
        ("a.py", "x = 1  # as\n# `kubectl get\n# pods --watc` does\n", 2),
        ("a.yaml", "a: 1\n# By hand:\n#   kubectl get pods --watc\n", 3),
        ("a.yaml", "commands:\n  - kubectl get pods --watc\n", 2),
        ("Makefile", "x:\n\t@kubectl get pods \\\n\t\t--watc | cat\n", 2),
        ("a.sh", "now=1 x=$(kubectl get pods --watc) run\n", 1),
        ("a.sh", "cat <<'END'\nkubectl get pods --watc\nEND\nkubectl get pods --watc\n", 4),
        ("a.md", "| `kubectl get pods --watc \\| cat` | x |\n", 1),
    ],
)
def test_a_line_is_found_wherever_people_write_one(name: str, text: str, line: int) -> None:
    (fault,) = found(name, text)

    assert fault.startswith(f"{name}:{line}: kubectl ")
    assert fault.endswith("unknown flag --watc; the nearest is --watch")


@pytest.mark.parametrize(
    "words",
    [
        "aws codebuild start-build",  # a required parameter is missing
        "aws codebuild start-build --project-name",  # its value is missing
        "aws ecr describe-images --repository-name a --max-items many",  # no number
        "aws codebuild start-build --project-name a --compute-type-override HUGE",  # not listed
        "aws sts get-caller-identity --query Account[",  # no JMESPath
        "aws codebuild start-build --project-nam a",  # version 2 takes no beginning of an option
        "aws codebuild start-build --project-name a b",
        "aws codebuild import-source-credentials --cli-input-json '{\"token\": 1}'",
        "aws cloudformation deploy --stack-name a",
        "aws s3 cp a s3://b --recursiv",
        "aws eks wait cluster-activ --name a",
        "kubectl scale deployment a --replicas=two",
        "kubectl get pods -z",
        "kubectl aply -f -",
        "kubectl create confgmap a",
        "eksctl create clster",
        "eksctl upgrade cluster --aprove",
        "argocd login a -z",
        "kubectl get applicatons",
        "kubectl -n a rollout restart deploymnt,statefulset",
        "kubectl port-forward servce/a 1:2",
        "ci rolback prod",
        "ci hotfix --tagg 1",
    ],
)
def test_other_kinds_of_mistakes_are_seen_too(words: str) -> None:
    assert len(faults(Line("page.md", 1, tuple(shlex.split(words))))) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "kubectl get pods --watc",
        "kubectl get pods -n",  # the next line's first word is not its value
        "kubectl -n a get pods --chunk-size many",
        "kubectl get applicatons",
        "kubectl rollout restrt deployment",
        "kubectl create confgmap a",
    ],
)
def test_a_mistake_is_seen_among_lines_that_are_right(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubectl, "_TOGETHER", {})
    beside = (
        "get pods -w",
        "rollout restart deployment a",
        "create -f a.yaml",
        "get nodes -o wide",
    )
    right = [("kubectl", *line.split()) for line in beside]

    kubectl.ask_together([*right[:3], tuple(wrong.split()), right[3]])

    assert len(kubectl.faults(wrong.split())) == 1
    assert [fault for line in right for fault in kubectl.faults(line)] == []


def test_lines_of_one_command_are_asked_about_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl, "_TOGETHER", {})

    kubectl.ask_together([("kubectl", "get", "pods", "-o", "wide"), ("kubectl", "get", "nodes")])

    assert len(kubectl._TOGETHER) == 2


@pytest.mark.parametrize(
    "words",
    [
        "kubectl -n a exec -it b-0 -- psql --anything",
        "kubectl create -f a.yaml",
        "kubectl get pods,applications.argoproj.io -o wide -n a -l b=c d",
        "kubectl taint nodes a b=c:NoExecute-",
        "eksctl scale nodegroup --cluster=a --name=b -N 3",
        "ci rollback ENV --to ID",
        "argocd app set a --sync-policy automated",
        "aws eks wait cluster-active --name a",
        "aws s3 cp a s3://b --recursive",
    ],
)
def test_what_is_right_is_left_alone(words: str) -> None:
    assert faults(Line("page.md", 1, tuple(shlex.split(words)))) == []


def test_a_shell_line_is_split_as_the_shell_does() -> None:
    text = "A=1 x \"$(y --z 'a b')\" 2>&1 > out | sudo w <NAME> && v # `u`\n"

    assert [each.words for each in simple_commands(text)] == [
        ("y", "--z", "a b"),
        ("x", "PLACEHOLDER"),
        ("w", "PLACEHOLDER"),
        ("v",),
    ]


def test_an_open_quotation_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"^page\.md:2: No closing quotation: kubectl get 'a"):
        list(lines_of("page.md", "```\nkubectl get 'a\n```\n"))


def test_a_list_of_flags_is_read_from_a_help_text(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "  go) printf 'Flags:\\n  -f, --file string   a file\\n      --fast          quickly\\n'\n"
        "      printf '\\nGlobal Flags:\\n      --server string   an address\\n';;\n"
        "  *) printf 'Available Commands:\\n  go     goes\\n  help   helps\\n\\n'\n"
        "     printf 'Flags:\\n  -h, --help\\n';;\n"
        "esac\n"
    )
    tool.chmod(0o755)

    assert list(from_help.tree(str(tool))) == [
        ("", "", "--help -h"),
        ("go", "--file -f", "--fast"),
    ]
