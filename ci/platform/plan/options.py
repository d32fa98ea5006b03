"""Steps that only some owners need, and what the settings say about who reaches what."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ci.platform.plan.step import Action, Step
from ci.tree import overlays, reach, settings
from ci.tree.settings import KEY_FILE

if TYPE_CHECKING:
    from ci.platform.plan.names import Names
    from ci.tree.settings import Settings

BOT_HINT = "It may be your own account's; a bot of its own is an option below."
ACCESS_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy"
COLLEAGUE = "arn:aws:iam::{account}:role/ROLE"


def how_prod_is_reached(values: Settings) -> str:
    """Say who reaches the last environment and how, from settings.yaml."""
    last = values.environments[-1]
    name = last[0].upper() + last[1:]
    door = reach.planned(values)
    forward = "The command stays: leave it in a terminal."
    if door.internal:
        return (
            f"{name} gets {door.sentence}; from elsewhere only a port-forward reaches it. {forward}"
            f" Who else may reach it is one setting: make configure PROD_CIDRS=203.0.113.7/32"
            f" ({reach.PAGE})."
        )
    scheme = "https" if door.certificate else "http"
    return (
        f"{name} gets {door.sentence}, at {scheme}://ADDRESS:{reach.PORT}; ADDRESS is the"
        f" EXTERNAL-IP of `kubectl --namespace {overlays.namespace(last)} get service"
        f" {overlays.SERVICE}`. From anywhere else a port-forward reaches it. {forward}"
    )


def source_credentials(names: Names) -> Step:
    """The other way to let CodeBuild read the repository."""
    return Step(
        "source-credentials",
        "Use a token instead of a connection",
        "A region of an account has one GitHub credential, and every project without a connection"
        " uses it: `shouldOverwrite` false leaves another one alone. source-token.json is"
        ' {"serverType": "GITHUB", "authType": "PERSONAL_ACCESS_TOKEN", "shouldOverwrite": false,'
        ' "token": "..."}. Then leave ConnectionArn out of the next command.',
        (
            Action(
                shlex.join(
                    (
                        *("aws", "codebuild", "import-source-credentials"),
                        *("--region", names.settings.region),
                        *("--cli-input-json", "file://source-token.json"),
                    )
                )
            ),
        ),
        "the credential's arn; or that one exists already, and then use a connection",
        "CodeBuild has a GitHub credential",
        optional="where your company does not allow the AWS Connector app on GitHub",
    )


def comment_token(names: Names) -> Step:
    """The token that writes what a pull request changes."""
    return Step(
        "comment-token",
        "Let the build of pull requests comment on them",
        "A pull request's own code runs beside it, so it can do nothing else. Without it the"
        " comment is in the build's log.",
        (
            Action(
                f"a token for {names.github} alone, with Pull requests: Read and write; save it as"
                " comment-token.txt",
                page="https://github.com/settings/personal-access-tokens/new",
            ),
            Action(
                shlex.join(
                    (
                        *("aws", "secretsmanager", "put-secret-value"),
                        *("--region", names.settings.region),
                        *("--secret-id", names.secret("comment-token")),
                        *("--secret-string", "file://comment-token.txt"),
                    )
                )
            ),
        ),
        "a VersionId",
        f"the secret {names.secret('comment-token')} has a value",
        optional="for pull requests that show their reviewer what they would change",
    )


def bot(names: Names) -> Step:
    """An account that writes the tags back."""
    return Step(
        "bot",
        "Let a bot write the tags, not you",
        "Its pushes then start no build whatever they change. Give it the right to write, make the"
        " token above with it, and give its number to the stack: `make plan ARGS='--bot NUMBER'`"
        " prints the command. NUMBER is the `id` in https://api.github.com/users/NAME. In an"
        " organization it must be a member; for a person's own repository GitHub lets it use only a"
        " classic token, with the scope repo.",
        (),
        "its name on the pipeline's commits",
        f"the stack {names.stack} has its number as BotActorId",
        optional="for a token that does not end with your own account",
    )


def signing(names: Names) -> Step:
    """A key that the pipeline signs its commits with."""
    signer = names.settings.signer or settings.SETTINGS["signer"].example
    where = ("--region", names.settings.region, "--secret-id", names.secret(KEY_FILE))
    put = ("aws", "secretsmanager", "put-secret-value", *where)
    return Step(
        "signing",
        "Let the pipeline sign its commits",
        "The address is one of the account that the token is of; https://github.com/settings/emails"
        " has its noreply address. After the first command deploy the stack again, which makes the"
        " secret: `make plan` prints that command. Push settings.yaml last.",
        (
            Action(shlex.join(("make", "configure", f"SIGNER={signer}"))),
            Action(shlex.join(("ssh-keygen", "-t", "ed25519", "-N", "", "-f", KEY_FILE))),
            Action(
                f"as that account: key type Signing Key, the one line of {KEY_FILE}.pub",
                page="https://github.com/settings/ssh/new",
            ),
            Action(shlex.join((*put, "--secret-string", f"file://{KEY_FILE}"))),
        ),
        "a VersionId; GitHub marks the next write-back as Verified",
        f"settings.yaml names a signer, and the secret {names.secret(KEY_FILE)} has a value",
        optional="where a branch takes signed commits only",
    )


def colleagues(names: Names) -> Step:
    """Access to the cluster for others than who made it."""
    principal = COLLEAGUE.format(account=names.settings.account)
    where = ("--region", names.settings.region, "--cluster-name", names.cluster.name)
    create = ("aws", "eks", "create-access-entry", *where, "--principal-arn", principal)
    attach = ("aws", "eks", "associate-access-policy", *where, "--principal-arn", principal)
    scope = ("--access-scope", "type=cluster", "--policy-arn", ACCESS_POLICY)
    update = ("aws", "eks", "update-kubeconfig", "--region", names.settings.region)
    return Step(
        "colleagues",
        "Let colleagues into the cluster",
        "Only who made it is in. AmazonEKSAdminViewPolicy reads everything, which `make plan"
        " ARGS=--check` needs; AmazonEKSClusterAdminPolicy may do everything. The last command is"
        " the colleague's own.",
        (
            Action(shlex.join(create)),
            Action(shlex.join((*attach, *scope))),
            Action(shlex.join((*update, "--name", names.cluster.name))),
        ),
        "the access entry as JSON; for the colleague: Updated context",
        "the cluster has an access entry beside those of its maker and its nodes",
        optional="as soon as there are two of you",
    )


def passwords() -> Step:
    """Passwords of Argo CD's accounts."""
    return Step(
        "passwords",
        "Change admin's password, and give on-call and developer one each",
        "The initial one is long and random; it is readable in the cluster until its Secret is"
        " deleted. Without a password nobody can log in as on-call or developer. Better, with"
        " single sign-on: `oidc.config` in argocd/config/argocd-cm.yaml.",
        (
            Action("argocd account update-password"),
            Action("kubectl --namespace argocd delete secret argocd-initial-admin-secret"),
            Action("argocd account update-password --account on-call"),
            Action("argocd account update-password --account developer"),
        ),
        "Password updated",
        "the old password no longer works; --check may not read Secrets, so it can't tell",
        optional="as soon as somebody else uses Argo CD",
    )


def private_repository(names: Names) -> Step:
    """Argo CD's own right to read."""
    return Step(
        "private-repository",
        "Let Argo CD read a private repository",
        "Before it is handed over. A token with Contents: Read-only is enough; the command asks"
        " for it.",
        (Action(f"argocd repo add {names.settings.git_url} --username x-access-token"),),
        f"Repository '{names.settings.git_url}' added",
        "GitHub shows the repository to everybody, or Argo CD can read it",
        optional="where the repository is private",
    )


def argocd_address(names: Names) -> Step:
    """An address for Argo CD's page and webhook."""
    who = ", ".join(names.settings.argocd_cidrs) or "the VPC alone: argocd_cidrs is empty"
    return Step(
        "argocd-address",
        "Give Argo CD an address",
        "By port-forward alone, everything but GitHub's webhook works: page, `argocd`, `python -m"
        f" ci`. This makes a load balancer, open to {who} (argocd/bootstrap.md, After that).",
        (Action("kubectl apply -k argocd/address"),),
        "Argo CD's page at its address",
        "a Service of Argo CD has an address outside the cluster",
        optional="for a page without port-forward, and for the webhook",
    )


def webhook(names: Names) -> Step:
    """GitHub's push events for Argo CD."""
    return Step(
        "webhook",
        "Let GitHub call Argo CD at each push",
        "Needs Argo CD's address, open to GitHub's ranges (`hooks` in https://api.github.com/meta)."
        " Without it Argo CD looks once a minute.",
        (
            Action(
                "payload URL https://ARGOCD/api/webhook, content type application/json, the secret"
                " that `webhook.github.secret` in argocd-secret holds, push events only",
                page=f"https://github.com/{names.github}/settings/hooks/new",
            ),
        ),
        "a green tick beside it",
        "GitHub has a webhook that ends in /api/webhook",
        optional="for syncs that start within two seconds",
    )
