"""Everything that the checks may ask, and nothing that changes anything.

AWS is asked by the calls of `AWS_CALLS` alone, the cluster by `kubectl get`, GitHub and Argo CD by
GET. Each answer is kept for the other checks, and a service that does not answer is asked once.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from ci.argocd.client import connect
from ci.aws.client import AwsError, asking, client
from ci.errors import CiError, CommandError
from ci.git import github
from ci.git.github import API
from ci.git.remote import Token
from ci.platform.plan.names import TOKEN_FILE
from ci.run import run
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ci.argocd.client import ArgoCD
    from ci.platform.plan.names import Names

Json = dict[str, Any]

# Each call of AWS's API, with the right that it needs. docs/first-deploy.md has the rights as a
# policy; all of them read, and none reads a secret's value.
AWS_CALLS: dict[tuple[str, str], str] = {
    ("sts", "get_caller_identity"): "sts:GetCallerIdentity",
    ("ec2", "describe_availability_zones"): "ec2:DescribeAvailabilityZones",
    ("ec2", "describe_instance_type_offerings"): "ec2:DescribeInstanceTypeOfferings",
    ("codeconnections", "list_connections"): "codeconnections:ListConnections",
    ("codebuild", "list_source_credentials"): "codebuild:ListSourceCredentials",
    ("codebuild", "list_builds_for_project"): "codebuild:ListBuildsForProject",
    ("codebuild", "batch_get_builds"): "codebuild:BatchGetBuilds",
    ("cloudformation", "describe_stacks"): "cloudformation:DescribeStacks",
    ("secretsmanager", "describe_secret"): "secretsmanager:DescribeSecret",
    ("eks", "describe_cluster"): "eks:DescribeCluster",
    ("eks", "list_access_entries"): "eks:ListAccessEntries",
    ("iam", "list_open_id_connect_providers"): "iam:ListOpenIDConnectProviders",
    ("elb", "describe_load_balancers"): "elasticloadbalancing:DescribeLoadBalancers",
    ("elbv2", "describe_load_balancers"): "elasticloadbalancing:DescribeLoadBalancers",
}
SECONDS = 10  # for one answer
ABSENT = frozenset({"ResourceNotFoundException"})
FIRST_PAGE = frozenset({"list_builds_for_project"})  # the newest come first


class Outside:
    """AWS, GitHub, the cluster and Argo CD, as one person may ask them."""

    def __init__(self, names: Names, root: Path, environ: Mapping[str, str]) -> None:
        self.names = names
        self.root = root
        # The file of the plan's own token serves where nobody names another.
        mine = root / TOKEN_FILE
        is_named = environ.get("GIT_TOKEN") or environ.get("GIT_TOKEN_FILE")
        here = {} if is_named or not mine.is_file() else {"GIT_TOKEN_FILE": str(mine)}
        self.environ = dict(environ) | here
        self._answers: dict[tuple[str, ...], Json | CiError | None] = {}

    def _once(self, key: tuple[str, ...], ask: Callable[[], Json | None]) -> Json | None:
        if key not in self._answers:
            try:
                self._answers[key] = ask()
            except CiError as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, CiError):
            raise answer
        return answer

    # --- AWS --------------------------------------------------------------------------------------

    def aws(self, service: str, operation: str, **parameters: Any) -> Json | None:
        """One call of AWS's API, or None when what it asks for is not there.

        Raises:
            AwsError: AWS can't be asked, or refuses.
        """
        right = AWS_CALLS[service, operation]
        if service != "sts":
            self.in_account()

        def ask() -> Json | None:
            api = client(service, self.names.settings.region, seconds=SECONDS, attempts=2)
            try:
                with asking(f"what {right} says"):
                    if api.can_paginate(operation) and operation not in FIRST_PAGE:
                        pages = api.get_paginator(operation).paginate(**parameters)
                        return dict(pages.build_full_result())
                    return dict(getattr(api, operation)(**parameters))
            except AwsError as error:
                if error.kind in ABSENT or "does not exist" in str(error):
                    return None
                raise

        return self._once((service, operation, json.dumps(parameters, sort_keys=True)), ask)

    def connections(self) -> list[Json]:
        """Every connection to GitHub; botocore knows no paginator for them."""
        found: list[Json] = []
        query: Json = {"ProviderTypeFilter": "GitHub"}
        while True:
            answer = self.aws("codeconnections", "list_connections", **query) or {}
            found += answer.get("Connections") or ()
            if not answer.get("NextToken"):
                return found
            query["NextToken"] = answer["NextToken"]

    def in_account(self) -> None:
        """Make sure that the answers are about the right account.

        Raises:
            AwsError: nobody is logged in, or in another account.
        """
        account = self.names.settings.account
        answer = self.aws("sts", "get_caller_identity")
        if answer is None or answer["Account"] != account:
            other = answer["Account"] if answer else "nobody"
            raise AwsError(f"you are logged in to AWS account {other}, and not to {account}")

    # --- the cluster ------------------------------------------------------------------------------

    def kubernetes(self, *words: str) -> Json | None:
        """The answer of `kubectl get … --output json`, or None when it is not there.

        Raises:
            CiError: kubectl leads to another cluster, or to none that answers.
        """
        self.in_cluster()
        return self._kubectl("get", *words, f"--request-timeout={SECONDS}s")

    def _kubectl(self, *words: str) -> Json | None:
        def ask() -> Json | None:
            try:
                done = run([kubectl(), *words, "--output=json"], timeout=3 * SECONDS)
                answer: Json = json.loads(done)
            except CommandError as error:
                if "(NotFound)" in error.output or "doesn't have a resource type" in error.output:
                    return None
                last = error.output.strip().splitlines()[-1:] or ["it says nothing"]
                raise CiError(f"kubectl can't ask the cluster: {last[0]}") from error
            return answer

        return self._once(("kubectl", *words), ask)

    def in_cluster(self) -> None:
        """Make sure that kubectl leads to the cluster of the settings.

        Raises:
            CiError: it leads elsewhere, or that is unknown.
        """
        names = self.names
        described = self.eks()
        if described is None:
            raise CiError(f"there is no cluster {names.cluster.name} yet")
        config = self._kubectl("config", "view", "--minify") or {}
        servers = [one["cluster"].get("server", "") for one in config.get("clusters") or ()]
        wanted = str(described.get("endpoint", ""))
        if [server.rstrip("/").lower() for server in servers] != [wanted.rstrip("/").lower()]:
            raise CiError(
                f"kubectl leads to {servers[0] if servers else 'no cluster'}, and not to"
                f" {names.cluster.name}: aws eks update-kubeconfig --region"
                f" {names.settings.region} --name {names.cluster.name}"
            )

    def eks(self) -> Json | None:
        """The cluster as EKS describes it, or None when there is none."""
        answer = self.aws("eks", "describe_cluster", name=self.names.cluster.name)
        cluster: Json | None = answer and answer["cluster"]
        return cluster

    # --- GitHub and Argo CD -----------------------------------------------------------------------

    def github(self, path: str, **query: str) -> Json | None:
        """GET a path of the repository in GitHub's API, or None when it is not there (404).

        With GIT_TOKEN, GIT_TOKEN_FILE or git-token.txt it is asked as that account.

        Raises:
            CiError: GitHub can't be asked, or refuses.
        """
        api = self.environ.get("GITHUB_API_URL", API)
        name = self.names.github

        def ask() -> Json | None:
            token = Token.read(self.environ)
            body = github.look(name, path, token.secret if token else None, api=api, **query)
            return body if body is None or isinstance(body, dict) else {"items": body}

        return self._once(("github", api, name, path, json.dumps(query)), ask)

    def on_main(self, path: str) -> bytes | None:
        """A file as main on GitHub has it, or None when it is not there."""
        answer = self.github(f"/contents/{path}", ref="main")
        return None if answer is None else base64.b64decode(answer["content"])

    def argo(self) -> ArgoCD:
        """Argo CD, by the login of the `argocd` command.

        Raises:
            InputError: there is no login.
        """
        return connect(self.environ)
