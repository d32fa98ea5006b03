"""The steps from an empty account to a serving prod, in order; `all_steps` is the registry.

A step's text is data: `{...}` names what `Names` fills in. The lines that hand the cluster over to
git have their one place in argocd/bootstrap.md, and `bootstrap.py` deals them out.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ci.platform.capacity.offered import offered
from ci.platform.plan import backups, bootstrap, options
from ci.platform.plan.names import TOKEN_FILE, UNKNOWN_CONNECTION
from ci.platform.plan.promotions import promotions
from ci.platform.plan.step import Action, Step
from ci.platform.plan.tools import TOOLS, shown
from ci.tree import overlays, reach, settings
from ci.tree.overlays import PIPELINE_TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ci.platform.plan.names import Names

EXAMPLE_OWNER = "example-org"


def all_steps(names: Names, root: Path) -> tuple[Step, ...]:
    """Every step, in order, with the owner's names filled in.

    Args:
        names: what is filled in.
        root: the checkout, for the lines of argocd/bootstrap.md.
    """
    lines = bootstrap.lines(root)
    return (
        _tools(names),
        _configure(names),
        _login(names),
        _zones(names),
        _connection(names),
        options.source_credentials(names),
        _stack(names),
        _token(names),
        options.comment_token(names),
        options.bot(names),
        options.signing(names),
        _cluster(names),
        options.colleagues(names),
        _argocd(lines),
        _argocd_login(),
        options.passwords(),
        options.private_repository(names),
        options.argocd_address(names),
        options.webhook(names),
        _seal(lines, names),
        _push(lines),
        backups.step(names),
        _hand_over(lines, names),
        _first_build(names),
        _promote(names),
        _look(names),
    )


def aws(names: Names, service: str, verb: str, *words: str) -> Action:
    """A command of `aws` in the owner's region."""
    return Action(shlex.join(("aws", service, verb, "--region", names.settings.region, *words)))


def _tools(names: Names) -> Step:
    least = ", ".join(f"{tool.program} {' or '.join(map(shown, tool.least))}" for tool in TOOLS)
    return Step(
        "tools",
        "Install the tools, and have the accounts",
        f"Tools, at least: {least}; docs/first-deploy.md says where from. Accounts: AWS account"
        f" {names.settings.account} with an administrator's access key; on GitHub the repository"
        f" {names.github}, which you may administer, cloned here, with a `git push` that works.",
        (),
        "",
        "each tool says a version that is new enough",
    )


def _configure(names: Names) -> Step:
    values = names.settings
    words = (
        *("make", "configure", f"ACCOUNT={values.account}", f"REGION={values.region}"),
        *(f"ZONES={settings.typed(values.zones)}", f"REPOSITORY={values.repository}"),
        f"GIT_URL={values.git_url}",
    )
    return Step(
        "configure",
        "Make the tree yours: account, region, names",
        "With your own values; these are what settings.yaml says now. It makes one commit.",
        (Action(shlex.join(words)),),
        "Committed: the number of files, and what they now say",
        f"settings.yaml no longer names {EXAMPLE_OWNER}",
    )


def _login(names: Names) -> Step:
    account = names.settings.account
    return Step(
        "login",
        f"Log in to AWS account {account}",
        "An administrator of the account, once on this machine. `aws configure sso` instead where"
        " the account has IAM Identity Center.",
        (Action("aws configure"),),
        "it asks for the access key, its secret and the region, and says nothing",
        f"AWS answers that you are in {account}",
    )


def _zones(names: Names) -> Step:
    cluster = names.cluster
    return Step(
        "zones",
        f"See that the account has the zones {' and '.join(cluster.zones)}",
        "Zones differ by region and account, and EKS can't use every one. `make plan ARGS=--check`"
        " asks AWS and names those that there are, for `make configure ZONES=A,B`.",
        (),
        "nothing, when they fit",
        "AWS has both, EKS can use them, and the nodes' zone has their instance type",
    )


def _connection(names: Names) -> Step:
    return Step(
        "connection",
        "Let CodeBuild read the repository: a connection to GitHub",
        "AWS makes a connection as Pending; only its web page can complete it.",
        (
            aws(
                names,
                "codeconnections",
                "create-connection",
                *("--provider-type", "GitHub", "--connection-name", names.connection_name),
            ),
            Action(
                f"choose {names.connection_name}, then Update pending connection, Install a new"
                f" app, {names.github} alone, Connect",
                page=f"https://{names.settings.region}.console.aws.amazon.com/codesuite/settings"
                f"/connections?region={names.settings.region}",
            ),
        ),
        "a ConnectionArn, which the next command wants; on the page, Available",
        "the connection is AVAILABLE",
    )


def _stack(names: Names) -> Step:
    parameters = [f"{key}={value}" for key, value in names.parameters.items() if value]
    paste = (
        f" Put the ConnectionArn of the connection in the place of {UNKNOWN_CONNECTION}; `make plan"
        " ARGS=--check` prints the command with it."
    )
    return Step(
        "stack",
        "Make the registry, the builds with their roles and webhooks, the logs",
        "Before the cluster, so that its log groups have a retention. Again after each change of"
        " the template. `make plan ARGS='--email YOU@EXAMPLE.COM'` adds who hears of failed builds."
        + (paste if names.connection == UNKNOWN_CONNECTION else ""),
        (
            aws(
                names,
                "cloudformation",
                "deploy",
                *("--stack-name", names.stack, "--template-file", PIPELINE_TEMPLATE),
                *("--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"),
                *("--parameter-overrides", *parameters),
            ),
        ),
        f"Successfully created/updated stack - {names.stack}; or: No changes to deploy",
        "the stack is complete, for this repository, cluster and connection",
    )


def _token(names: Names) -> Step:
    return Step(
        "token",
        "Give the pipeline the token that writes image tags to git",
        f"The file is in no commit; the first promotion reads it too. {options.BOT_HINT}",
        (
            Action(
                f"a token of the resource owner {names.github.partition('/')[0]}, for"
                f" {names.github} alone, with Contents: Read and write; save it as {TOKEN_FILE}",
                page="https://github.com/settings/personal-access-tokens/new",
            ),
            aws(
                names,
                "secretsmanager",
                "put-secret-value",
                *("--secret-id", names.secret("git-token")),
                *("--secret-string", f"file://{TOKEN_FILE}"),
            ),
        ),
        "a VersionId",
        f"the secret {names.secret('git-token')} has a value",
    )


def _cluster(names: Names) -> Step:
    expected = "; ".join(one.text for one in offered(names.cluster, names.prices))
    return Step(
        "cluster",
        f"Make the cluster {names.cluster.name}",
        "About 20 minutes. From here on it costs money (docs/cost.md). It also points kubectl at"
        " the cluster.",
        (Action("eksctl create cluster --config-file infra/eksctl/cluster.yaml"),),
        f'EKS cluster "{names.cluster.name}" in "{names.settings.region}" region is ready',
        f"it is ACTIVE, with {expected}",
    )


def _argocd(lines: bootstrap.Lines) -> Step:
    return Step(
        "argocd",
        "Install Argo CD, with its settings, and sealed-secrets",
        "Each comes from upstream at a pinned version (argocd/bootstrap.md).",
        lines.of("argocd"),
        "a line `serverside-applied` for each object",
        "every Deployment of them is available",
    )


def _argocd_login() -> Step:
    return Step(
        "argocd-login",
        "Log in to Argo CD",
        "The first command stays: leave it in a second terminal. https://localhost:8080 is Argo"
        " CD's page then, for you alone; the browser warns of its certificate.",
        (
            Action("kubectl --namespace argocd port-forward service/argocd-server 8080:443"),
            Action("argocd admin initial-password --namespace argocd"),
            Action("argocd login localhost:8080 --username admin --insecure"),
        ),
        "'admin:login' logged in successfully",
        "Argo CD answers with your login, or every environment has been promoted with it",
    )


def _seal(lines: bootstrap.Lines, names: Names) -> Step:
    first, *others = names.settings.environments
    return Step(
        "seal",
        "Make the databases' passwords and seal them for this cluster",
        "Those in the repository were sealed for a key that was thrown away: no cluster opens"
        " them.",
        lines.of("seal"),
        f"Sealed for {overlays.namespace(first)}/{overlays.SECRET}, and for {_and(others)}'s",
        "all overlays have the cluster's certificate and a secret sealed with it",
    )


def _push(lines: bootstrap.Lines) -> Step:
    return Step(
        "push",
        "Push it: from here on git says what runs",
        "",
        lines.of("push"),
        "main -> main",
        "main on GitHub has your settings and your sealed secrets",
    )


def _hand_over(lines: bootstrap.Lines, names: Names) -> Step:
    first, *others = names.settings.environments
    return Step(
        "hand-over",
        "Hand everything over to git",
        f"{_and(overlays.namespace(each) for each in names.settings.environments)} stay red until"
        f" they have an image: {first} until the first build, {_and(others)} until the first"
        " promotion.",
        lines.of("hand-over"),
        "application.argoproj.io/root created",
        "root has made its Applications, and all databases are Healthy",
    )


def _first_build(names: Names) -> Step:
    first = names.settings.environments[0]
    return Step(
        "first-build",
        "Start the first build",
        "The webhook builds commits that change apps/coworking, and yours did not. About ten"
        " minutes; a refusal that says `builds in queue for the account` is a new account's quota:"
        " Service Quotas raises it.",
        (aws(names, "codebuild", "start-build", "--project-name", names.pipeline),),
        f"the build as JSON; then a commit by the pipeline, and {first} turns green",
        f"the build has succeeded, main has its tag for {first}, and {overlays.namespace(first)}"
        " runs it",
    )


def _promote(names: Names) -> Step:
    first, *others = names.settings.environments
    last = others[-1]
    return Step(
        "promote",
        f"Promote {first}'s image to {' and then to '.join(others)}, for the first time",
        f"Until now {last} has had no image and has been red. --soak 0: there is nothing in {last}"
        " to protect yet. Later promotions are pull requests (docs/promote.md).",
        promotions(names, "--soak 0 --push"),  # each is Healthy before the next is asked for it
        "each gate with `passes`, then: Pushed, and Argo CD deploys it",
        f"main has a pipeline's tag for {_and(others)}, and {overlays.namespace(last)} is Synced"
        " and Healthy on it",
    )


def _look(names: Names) -> Step:
    last = names.settings.environments[-1]
    forward = f"kubectl --namespace {overlays.namespace(last)} port-forward"
    return Step(
        "look",
        f"Look at {last}",
        options.how_prod_is_reached(names.settings),
        (Action(f"{forward} service/{overlays.SERVICE} {reach.PORT}"),),
        "the dashboard at http://localhost:5153; it is empty until there is data",
        f"{last}'s pods are available, and its load balancer is what settings.yaml says",
    )


def _and(names: Iterable[str]) -> str:
    """Names in a sentence: `dev, staging and prod`."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
