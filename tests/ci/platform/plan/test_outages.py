"""What keeps `--check` from an answer is unknown and a sentence: never done, never a traceback."""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest

from ci.errors import CommandError
from ci.platform.plan.checks import outside
from ci.platform.plan.checks.outside import AWS_CALLS
from ci.run import run
from ci.tree.overlays import environments
from tests.ci.platform.plan.conftest import NODES, ROOT, Newcomer
from tests.ci.platform.plan.test_walk import Walk, follow
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Which steps each one is asked about; `tools` and `configure` need nobody.
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning"),  # moto's
]
AWS = {
    *("login", "zones", "connection", "source-credentials", "stack", "token", "comment-token"),
    *("bot", "cluster", "colleagues"),
}
CLUSTER = {"argocd", "passwords", "argocd-address", "hand-over", "look"}
GITHUB = {"webhook", "push", "first-build", "promote"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A newcomer who is through with it, and was told the right next step on the way."""
    newcomer = Newcomer(tmp_path_factory.mktemp("finished"))
    follow(newcomer, every=8)
    yield newcomer
    newcomer.stop()


@pytest.fixture(autouse=True)
def _kubectl_asks_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What a real kubectl answered stays while its cluster and its settings stay as they are.

    Each check asks it ten times, most of them with another one of the servers away.
    """
    if "finished" in request.fixturenames:
        newcomer = request.getfixturevalue("finished")
        monkeypatch.setattr(outside, "run", functools.partial(_run_once, newcomer))


_ANSWERS: dict[str, str | CommandError] = {}


def _run_once(newcomer: Newcomer, command: list[str | Path], **options: Any) -> str:
    if command[0] != kubectl():
        return run(command, **options)
    cluster, config = newcomer.cluster, Path(os.environ["KUBECONFIG"])
    settings = config.read_text() if config.exists() else "none"
    state = [cluster.fails, cluster.may_read, cluster.certificate, sorted(cluster.objects.items())]
    key = repr([command, options, config, settings, state])
    if key not in _ANSWERS:
        try:
            _ANSWERS[key] = run(command, **options)
        except CommandError as error:
            _ANSWERS[key] = error
    answer = _ANSWERS[key]
    if isinstance(answer, CommandError):
        raise answer
    return answer


def unknown(newcomer: Newcomer) -> dict[str, str]:
    """The steps that are unknown, each with its sentence."""
    status, seen = newcomer.check()
    found = {s["name"]: s["because"] for s in seen["steps"] if s["mark"] == "unknown"}
    assert status in (1, 5)
    for name, sentence in found.items():
        assert re.search(r"\w{3}", sentence), name
        assert "\n" not in sentence
        assert "Traceback" not in sentence
    return found


@contextlib.contextmanager
def changed(newcomer: Newcomer, **env: str) -> Iterator[None]:
    before = dict(newcomer.env)
    newcomer.env.update(env)
    boto3.DEFAULT_SESSION = None  # it keeps the login of the process
    try:
        yield
    finally:
        newcomer.env = before
        boto3.DEFAULT_SESSION = None


def test_with_nobody_away_all_is_done(finished: Newcomer) -> None:
    finished.amazon.called.clear()
    status, seen = finished.check()
    assert (status, seen["next"]) == (0, None)
    marks = {step["name"] for step in seen["steps"] if step["mark"] == "unknown"}
    assert marks <= {"passwords", "colleagues"}  # moto knows no access entries
    # And nothing was asked of AWS by these targets but what is listed.
    named = {right.partition(":")[2] for right in AWS_CALLS.values()}
    targets = {call.rpartition(".")[2] for call in finished.amazon.called if "." in call}
    assert targets <= named


def test_an_aws_that_fails_makes_its_steps_unknown(finished: Newcomer) -> None:
    finished.amazon.fails = 503
    try:
        assert set(unknown(finished)) >= AWS | CLUSTER
    finally:
        finished.amazon.fails = 0


def test_an_aws_that_is_away_makes_its_steps_unknown(finished: Newcomer) -> None:
    with changed(finished, AWS_ENDPOINT_URL="http://127.0.0.1:9"):
        found = unknown(finished)
        assert set(found) >= AWS | CLUSTER
        assert "127.0.0.1:9" in found["stack"]


def test_without_a_login_the_next_step_is_to_log_in_and_the_rest_of_aws_is_unknown(
    finished: Newcomer,
) -> None:
    with changed(finished, HOME=str(finished.folder / "nobody")):
        status, seen = finished.check()
        assert (status, seen["next"]) == (1, "login")
        assert set(unknown(finished)) >= (AWS | CLUSTER) - {"login"}


def test_in_another_account_nothing_is_taken_for_done(finished: Newcomer) -> None:
    """moto's account is another one for these keys."""
    other = finished.amazon.client("sts").assume_role(
        RoleArn="arn:aws:iam::999999999999:role/theirs", RoleSessionName="session"
    )["Credentials"]
    keys = {
        "AWS_ACCESS_KEY_ID": other["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": other["SecretAccessKey"],
        "AWS_SESSION_TOKEN": other["SessionToken"],
    }
    with changed(finished, **keys):
        _, seen = finished.check()
        assert seen["next"] == "login"
        found = unknown(finished)
        assert "999999999999, and not to 123456789012" in found["stack"]


def test_a_cluster_that_is_away_makes_its_steps_unknown(finished: Newcomer) -> None:
    finished.cluster.fails = 503
    try:
        assert set(unknown(finished)) >= {
            "cluster",
            "argocd",
            "argocd-address",
            "hand-over",
            "look",
        }
    finally:
        finished.cluster.fails = 0


def test_a_cluster_that_refuses_makes_its_steps_unknown(finished: Newcomer) -> None:
    finished.cluster.may_read = False
    try:
        found = unknown(finished)
        assert set(found) >= {"cluster", "argocd", "seal", "hand-over", "look"}
        assert "Forbidden" in found["cluster"]
    finally:
        finished.cluster.may_read = True


def test_a_kubectl_that_leads_to_another_cluster_says_nothing_about_ours(
    finished: Newcomer, tmp_path: Path
) -> None:
    text = Path(finished.env["KUBECONFIG"]).read_text()
    other = tmp_path / "kubeconfig"
    other.write_text(text.replace(finished.cluster.url, "https://10.1.2.3"))
    with changed(finished, KUBECONFIG=str(other)):
        found = unknown(finished)
        assert set(found) >= {"cluster", "argocd", "seal", "hand-over", "first-build", "look"}
        assert "kubectl leads to https://10.1.2.3" in found["cluster"]
        assert "aws eks update-kubeconfig" in found["cluster"]


def test_without_a_kubeconfig_the_cluster_is_unknown(finished: Newcomer, tmp_path: Path) -> None:
    with changed(finished, KUBECONFIG=str(tmp_path / "none")):
        assert set(unknown(finished)) >= {"cluster", "argocd", "seal", "hand-over", "look"}


def test_a_github_that_refuses_makes_its_steps_unknown(finished: Newcomer) -> None:
    finished.github.fails = 403
    try:
        assert set(unknown(finished)) >= GITHUB
    finally:
        finished.github.fails = 0


def test_a_github_that_is_away_makes_its_steps_unknown(finished: Newcomer) -> None:
    with changed(finished, GITHUB_API_URL="http://127.0.0.1:9"):
        assert set(unknown(finished)) >= GITHUB


def test_an_address_that_is_not_githubs_makes_its_steps_unknown(finished: Newcomer) -> None:
    with changed(finished, GITHUB_API_URL=finished.amazon.url):
        assert set(unknown(finished)) >= GITHUB - {"webhook"}


def test_a_token_that_is_not_valid_is_said(finished: Newcomer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong\n")
    with changed(finished, GIT_TOKEN_FILE=str(tmp_path / "token")):
        assert "401 Bad credentials" in unknown(finished)["push"]


def test_a_private_repository_without_a_token_is_not_taken_for_done(finished: Newcomer) -> None:
    finished.github.is_private = True
    token = finished.tree / "git-token.txt"
    text = token.read_text()
    token.unlink()
    try:
        assert "a private one needs GIT_TOKEN_FILE" in unknown(finished)["push"]
        token.write_text(text)
        assert finished.check()[0] == 0
    finally:
        finished.github.is_private = False
        token.write_text(text)


def test_a_program_that_is_missing_is_the_next_step(finished: Newcomer) -> None:
    with changed(finished, PATH="/nonexistent"):
        status, seen = finished.check()
        assert (status, seen["next"]) == (1, "tools")
        assert "eksctl 0.200 (https://eksctl.io" in seen["steps"][0]["because"]


# --- what is wrong is not taken for done ----------------------------------------------------------


def wrong_scheme(newcomer: Newcomer) -> Callable[[], None]:
    """Open prod in settings.yaml; AWS leaves the balancer as it is."""
    file = newcomer.tree / "settings.yaml"
    before = file.read_text()
    file.write_text(before.replace("prod_cidrs: []", "prod_cidrs: [203.0.113.0/24]"))
    return lambda: file.write_text(before) and None


def lost_kubelet_settings(newcomer: Newcomer) -> Callable[[], None]:
    newcomer.add_node("ip-10-0-0-2.ec2.internal", kept_mib=476)
    return lambda: newcomer.add_node("ip-10-0-0-2.ec2.internal")


def node_not_ready(newcomer: Newcomer) -> Callable[[], None]:
    newcomer.add_node("ip-10-0-0-2.ec2.internal", ready="Unknown")
    return lambda: newcomer.add_node("ip-10-0-0-2.ec2.internal")


def another_sealing_key(newcomer: Newcomer) -> Callable[[], None]:
    from tests.ci.platform.plan.conftest import certificate  # noqa: PLC0415

    before, newcomer.cluster.certificate = newcomer.cluster.certificate, certificate()
    return lambda: setattr(newcomer.cluster, "certificate", before)


def unhealthy_prod(newcomer: Newcomer) -> Callable[[], None]:
    walk = Walk(newcomer)
    walk.application("coworking-prod", "coworking-prod", "Degraded", tag="1-0a1b2c3d")
    return lambda: walk.application("coworking-prod", "coworking-prod", tag="1-0a1b2c3d")


@pytest.mark.parametrize(
    ("break_it", "step", "sentence"),
    [
        (wrong_scheme, "look", "is internal, and settings.yaml wants internet-facing"),
        (lost_kubelet_settings, "cluster", "kubeReserved"),
        (node_not_ready, "cluster", f"{NODES - 1} of {NODES} nodes are Ready"),
        (another_sealing_key, "seal", "sealed for another cluster's certificate"),
        (unhealthy_prod, "promote", "coworking-prod is Synced and Degraded"),
    ],
)
def test_what_is_wrong_is_the_next_step(
    finished: Newcomer,
    break_it: Callable[[Newcomer], Callable[[], None]],
    step: str,
    sentence: str,
) -> None:
    undo = break_it(finished)
    try:
        _, seen = finished.check()
        found: dict[str, Any] = next(one for one in seen["steps"] if one["name"] == step)
        assert found["mark"] in ("next", "later")
        assert sentence in found["because"]
    finally:
        undo()


def test_a_new_key_of_the_controller_leaves_what_an_older_one_opens_done(
    finished: Newcomer,
) -> None:
    """It makes one each month, and nothing has to be sealed again for that."""
    undo = another_sealing_key(finished)
    for environment in environments():
        finished.cluster.put(
            "bitnami.com/v1alpha1",
            "sealedsecrets",
            "coworking-secret",
            namespace=f"coworking-{environment}",
            status={"conditions": [{"type": "Synced", "status": "True"}]},
        )
    try:
        assert finished.check()[0] == 0
    finally:
        undo()
        for key in [key for key in finished.cluster.objects if key[1] == "sealedsecrets"]:
            del finished.cluster.objects[key]


# --- no more rights than reading ------------------------------------------------------------------


def calls_in_the_checks() -> set[tuple[str, str]]:
    """Every `outside.aws("service", "operation"…)` of the package, from its source."""
    found = set()
    for file in (ROOT / "ci/platform/plan").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            words = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            if node.func.attr == "aws" and len(words) == 2:
                found.add((str(words[0]), str(words[1])))
    return found


def test_the_rights_are_those_of_the_calls_and_each_reads() -> None:
    loop = {("elb", "describe_load_balancers"), ("elbv2", "describe_load_balancers")}
    assert calls_in_the_checks() | loop == set(AWS_CALLS)
    session = botocore.session.get_session()
    for (service, operation), right in AWS_CALLS.items():
        prefix, _, action = right.partition(":")
        model = session.get_service_model(service)
        assert action in model.operation_names
        assert botocore.xform_name(action) == operation
        assert prefix == {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}.get(
            service, service
        )
        assert re.match(r"(Describe|List|Get|BatchGet)[A-Z]", action), right
    assert "secretsmanager:GetSecretValue" not in AWS_CALLS.values()


def test_a_call_that_is_not_in_the_list_is_refused() -> None:
    with pytest.raises(KeyError):
        outside.Outside.aws(object.__new__(outside.Outside), "ec2", "terminate_instances")
