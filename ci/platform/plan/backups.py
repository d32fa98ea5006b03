"""The step that backs prod up: the bucket with its role, the setting, the key, the image."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ci.platform.plan.names import UNKNOWN_ISSUER
from ci.platform.plan.promotions import promotions
from ci.platform.plan.step import Action, Step
from ci.tree import backups, overlays
from ci.tree.images import DATABASE_IMAGE

if TYPE_CHECKING:
    from ci.platform.plan.names import Names


_ISSUER_HINT = (
    f"{UNKNOWN_ISSUER} is the cluster's OIDC issuer without https://; `make plan ARGS=--check`"
    " prints the command with it. "
)


def step(names: Names) -> Step:
    """Prod's backups, before Argo CD makes the database: nothing has to be replaced then."""
    bucket = bucket_name(names)
    words = ("make", "configure", f"BACKUP_BUCKET={bucket}")
    stack = () if names.settings.backup_endpoint else (_provider(names), _stack(names))
    hint = _ISSUER_HINT if names.issuer == UNKNOWN_ISSUER else ""
    region, named = names.settings.region, project(names)
    build = ("aws", "codebuild", "start-build", "--region", region, "--project-name", named)
    last = backups.environment(names.settings)
    return Step(
        "backups",
        f"Back {last} up: a bucket with its role, a key, the database's image",
        f"Before the next step, so that {last}'s database begins with them; docs/backups.md says"
        f" more, and how a {last} that runs changes. {hint}The name of a bucket is unique in the"
        " whole world. Keep the printed key outside of the cluster. Promote when the build has"
        " ended and its tag is on main: before that there is nothing to promote. At last commit"
        " and push the key, as in the step before.",
        (
            *stack,
            Action(shlex.join(build)),
            *promotions(names, f"--image {DATABASE_IMAGE.name} --push"),
            Action("git pull"),
            Action(shlex.join(words)),
            Action(f"make seal ENV={last} ARGS=--backup-key"),
        ),
        "Successfully created/updated stack; Pushed; Committed; the key, once",
        "settings.yaml names a bucket, its stack and the cluster's OIDC provider exist, a key is"
        f" sealed, and {last} has a build's tag of the database's image",
        optional=f"where a lost volume must not lose {last}'s data",
    )


def bucket_name(names: Names) -> str:
    """The bucket of settings.yaml, or one that nobody else is likely to have."""
    return names.settings.backup_bucket or f"{backups.STACK}-{names.settings.account}"


def project(names: Names) -> str:
    """The build project of the database's image."""
    return DATABASE_IMAGE.named_after(names.pipeline)


def parameters(names: Names) -> dict[str, str]:
    """The parameters of the backups' stack."""
    return {
        "BucketName": bucket_name(names),
        "RoleName": backups.role_name(names.settings),
        "Namespace": overlays.namespace(backups.environment(names.settings)),
        "OidcIssuer": names.issuer,
    }


def _provider(names: Names) -> Action:
    """By its own command: with `iam.withOIDC` in the file eksctl gives new nodes no CNI policy.

    https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html
    """
    where = ("--cluster", names.cluster.name, "--region", names.settings.region)
    return Action(
        shlex.join(("eksctl", "utils", "associate-iam-oidc-provider", *where, "--approve"))
    )


def _stack(names: Names) -> Action:
    given = [f"{key}={value}" for key, value in parameters(names).items()]
    words = (
        *("aws", "cloudformation", "deploy", "--region", place(names)),
        *("--stack-name", backups.STACK, "--template-file", backups.TEMPLATE),
        *("--capabilities", "CAPABILITY_NAMED_IAM", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *given),
    )
    return Action(shlex.join(words))


def place(names: Names) -> str:
    """The region of the bucket."""
    return names.settings.backup_region or names.settings.region
