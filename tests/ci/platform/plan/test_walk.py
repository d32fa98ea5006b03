"""The plan followed from the clone to a serving prod; after each step `--check` names the next.

The commands of `make`, `aws` and `git` are run as they are printed: against moto, a real repository
and, for `make seal`, the API server of the test. `eksctl`, `kubectl apply`, `argocd` and the
pipeline's own work are played: each leaves behind what the real one leaves, in the form in which
AWS, GitHub, the API server and Argo CD show it. The same walk on a real cluster is in tests/e2e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci.tree.overlays import environments
from tests.ci.platform.plan.amazon import ACCOUNT
from tests.ci.platform.plan.conftest import GITHUB, certificate
from tests.ci.platform.plan.elsewhere import ARGO_TOKEN, SEALER, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ci.platform.plan.conftest import Newcomer

BALANCER = "coworking-prod"


class Walk:
    """The walk: how each step is done, in the order of the plan."""

    def __init__(self, newcomer: Newcomer) -> None:
        self.newcomer = newcomer
        self.amazon, self.cluster = newcomer.amazon, newcomer.cluster
        self.ran: list[str] = []

    def planned(self, name: str) -> dict[str, Any]:
        """A step as the plan describes it, without a look at how far one is."""
        known = self.amazon.connections.get("coworking", {"ConnectionArn": ""})
        _, seen = self.newcomer.plan("--connection", known["ConnectionArn"])
        return next(step for step in seen["steps"] if step["name"] == name)

    def run(self, step: dict[str, Any], program: str, stdin: str = "") -> None:
        """Run the step's commands of a program, as they are printed."""
        found = [
            action["text"]
            for action in step["actions"]
            if action["kind"] == "command" and action["text"].startswith(f"{program} ")
        ]
        assert found, step["name"]
        for command in found:
            self.newcomer.run(command, stdin)
            self.ran.append(command)

    def configure(self, step: dict[str, Any]) -> None:
        """With values of their own, as the step says."""
        (action,) = step["actions"]
        command = action["text"].replace("183302320810", ACCOUNT).replace("example-org", "your-org")
        self.newcomer.run(command)
        self.ran.append(command)

    def login(self, step: dict[str, Any]) -> None:
        typed = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI0K7MDENG", "us-east-1", "json")
        self.run(step, "aws", stdin="".join(f"{line}\n" for line in typed))

    def connection(self, step: dict[str, Any]) -> None:
        self.run(step, "aws")
        _, seen = self.newcomer.check()
        assert seen["next"] == "connection"  # AWS's page completes it
        assert "PENDING" in because(seen, "connection")
        self.amazon.complete_connection("coworking")

    def stack(self, step: dict[str, Any]) -> None:
        assert "PASTE-THE" not in step["actions"][0]["text"]
        self.run(step, "aws")

    def token(self, step: dict[str, Any]) -> None:
        (self.newcomer.tree / "git-token.txt").write_text(f"{TOKEN}\n")
        self.run(step, "aws")
        assert self.newcomer.git("status", "--porcelain") == ""

    def make_cluster(self, step: dict[str, Any]) -> None:
        self.newcomer.lead_to_cluster()

    def argocd(self, step: dict[str, Any]) -> None:
        """What argocd/config and argocd/start leave, with upstream's names."""
        cluster = self.cluster
        cluster.has_crds = True
        data = {"accounts.on-call": "login"}
        cluster.put("v1", "configmaps", "argocd-cm", namespace="argocd", data=data)
        names = ("argocd-server", "argocd-repo-server", "argocd-redis")
        ready: dict[str, Any] = {"spec": {"replicas": 1}, "status": {"readyReplicas": 1}}
        for name in (*names, "argocd-notifications-controller"):
            cluster.put("apps/v1", "deployments", name, namespace="argocd", **ready)
        name = "argocd-application-controller"
        cluster.put("apps/v1", "statefulsets", name, namespace="argocd", **ready)
        cluster.put("apps/v1", "deployments", SEALER, namespace="kube-system", **ready)
        ports = [{"protocol": "TCP", "port": 8080, "targetPort": 8080}]  # upstream: without a name
        cluster.put("v1", "services", SEALER, namespace="kube-system", spec={"ports": ports})
        service = {"spec": {"type": "ClusterIP", "ports": [{"port": 443}]}}
        cluster.put("v1", "services", "argocd-server", namespace="argocd", **service)
        cluster.certificate = certificate()

    def argocd_login(self, step: dict[str, Any]) -> None:
        """What `argocd login` writes."""
        url = self.newcomer.argocd.url
        folder = self.newcomer.folder / ".config/argocd"
        folder.mkdir(parents=True)
        server = url.removeprefix("http://")
        (folder / "config").write_text(
            f"contexts: [{{name: a, server: '{server}', user: a}}]\ncurrent-context: a\n"
            f"servers: [{{server: '{server}', plain-text: true}}]\n"
            f"users: [{{name: a, auth-token: {ARGO_TOKEN}}}]\n"
        )

    def seal(self, step: dict[str, Any]) -> None:
        self.run(step, "make")

    def push(self, step: dict[str, Any]) -> None:
        self.run(step, "git")

    def hand_over(self, step: dict[str, Any]) -> None:
        self.application("root", "argocd")
        for environment in environments():
            self.application(f"postgres-{environment}", f"coworking-{environment}")
            # There is no image: its pods can't be pulled.
            self.application(f"coworking-{environment}", f"coworking-{environment}", "Degraded")

    def first_build(self, step: dict[str, Any]) -> None:
        self.run(step, "aws")
        _, seen = self.newcomer.check()
        assert seen["next"] == "first-build"  # the image is pushed, and not written back yet
        assert "main has no tag of it yet" in because(seen, "first-build")
        self.newcomer.commit_as_the_pipeline("dev", "1-0a1b2c3d")
        _, seen = self.newcomer.check()
        assert "does not run it yet" in because(seen, "first-build")
        self.application("coworking-dev", "coworking-dev", tag="1-0a1b2c3d")

    def promote(self, step: dict[str, Any]) -> None:
        assert "GIT_TOKEN_FILE=git-token.txt" in step["actions"][0]["text"]
        for name in environments()[1:]:
            self.newcomer.commit_as_the_pipeline(name, "1-0a1b2c3d")
            self.application(f"coworking-{name}", f"coworking-{name}", tag="1-0a1b2c3d")

    def look(self, step: dict[str, Any]) -> None:
        """Once prod's pods run, EKS makes the load balancer that the Service asks for."""
        listeners = [{"Protocol": "tcp", "LoadBalancerPort": 5153, "InstancePort": 30153}]
        made = self.amazon.client("elb").create_load_balancer(
            LoadBalancerName=BALANCER,
            Listeners=listeners,
            AvailabilityZones=["us-east-1a"],
            Scheme="internal",
        )
        where = {"namespace": "coworking-prod"}
        available: dict[str, Any] = {"spec": {"replicas": 2}, "status": {"availableReplicas": 2}}
        self.cluster.put("apps/v1", "deployments", "coworking", **where, **available)
        address = {"loadBalancer": {"ingress": [{"hostname": made["DNSName"]}]}}
        kind = {"type": "LoadBalancer"}
        self.cluster.put("v1", "services", "coworking", **where, spec=kind, status=address)

    def application(
        self, name: str, namespace: str, health: str = "Healthy", *, tag: str = "0-d0286410"
    ) -> None:
        """An Application as Argo CD keeps it."""
        image = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/coworking:{tag}"
        self.cluster.put(
            "argoproj.io/v1alpha1",
            "applications",
            name,
            namespace="argocd",
            spec={
                "source": {"repoURL": f"https://github.com/{GITHUB}.git", "path": "x"},
                "destination": {"namespace": namespace},
                "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            },
            status={
                "sync": {"status": "Synced", "revision": "a" * 40},
                "health": {"status": health},
                "summary": {"images": [image] if name.startswith("coworking") else []},
            },
        )

    @property
    def steps(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """How each step is done."""
        return {
            "configure": self.configure,
            "login": self.login,
            "connection": self.connection,
            "stack": self.stack,
            "token": self.token,
            "cluster": self.make_cluster,
            "argocd": self.argocd,
            "argocd-login": self.argocd_login,
            "seal": self.seal,
            "push": self.push,
            "hand-over": self.hand_over,
            "first-build": self.first_build,
            "promote": self.promote,
            "look": self.look,
        }


def told(seen: dict[str, Any]) -> str:
    """Every step's mark, a line each."""
    return "\n".join(f"{one['mark']} {one['name']}: {one['because']}" for one in seen["steps"])


def because(seen: dict[str, Any], name: str) -> str:
    """Why a step has its mark."""
    return str(next(step["because"] for step in seen["steps"] if step["name"] == name))


@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")  # moto's, of a stack's rest
def test_from_nothing_done_to_all_done_each_step_is_followed_by_the_one_that_check_names(
    newcomer: Newcomer,
) -> None:
    """In `make test` the walk of test_outages.py looks before the first and the ninth."""
    follow(newcomer, every=1)


def follow(newcomer: Newcomer, *, every: int) -> None:
    """Walk from nothing to all done; before steps 0, `every`, 2 × `every`, … look what is next."""
    walk = Walk(newcomer)
    behind = {"tools"}
    for number, (name, do) in enumerate(walk.steps.items()):
        if number % every == 0:
            status, seen = newcomer.check()
            marks = {one["name"]: one["mark"] for one in seen["steps"] if not one["optional"]}
            assert seen["next"] == name, told(seen)
            assert status == 1
            assert {one for one, mark in marks.items() if mark == "done"} == behind
            do(next(step for step in seen["steps"] if step["name"] == name))
        else:
            do(walk.planned(name))
        behind |= {name} | ({"zones"} if name == "login" else set())

    status, seen = newcomer.check()
    assert (status, seen["next"]) == (0, None), because(seen, seen["next"] or "look")
    assert {one["mark"] for one in seen["steps"] if not one["optional"]} == {"done"}
    assert behind == {one["name"] for one in seen["steps"] if not one["optional"]}
    ran = [" ".join(command.split()[:3]) for command in walk.ran]
    assert ran == [
        f"make configure ACCOUNT={ACCOUNT}",
        "aws configure",
        "aws codeconnections create-connection",
        "aws cloudformation deploy",
        "aws secretsmanager put-secret-value",
        "make seal ENV='dev",
        "git commit --all",
        "git push",
        "aws codebuild start-build",
    ]
    asked = [
        line for one in (newcomer.github, newcomer.cluster, newcomer.argocd) for line in one.asked
    ]
    assert {line.partition(" ")[0] for line in asked} == {"GET"}
