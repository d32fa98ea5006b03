"""AWS as the verbs use it: clients with short timeouts, and errors that say what to do."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ci.errors import CiError
from ci.hidden import remember

if TYPE_CHECKING:
    from collections.abc import Iterator


class AwsError(CiError):
    """AWS can't be reached, refuses, or doesn't have what was asked for.

    Attributes:
        kind: AWS's own name of the error, such as `ImageNotFoundException`, or an empty string.
    """

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def client(service: str, region: str, *, seconds: float = 60, attempts: int = 4) -> Any:
    """Make a client. AWS_ENDPOINT_URL and AWS's other variables are heeded by boto3 itself.

    Args:
        service: boto3's name of it.
        region: where.
        seconds: how long one answer may take.
        attempts: how often a call is made that fails for a reason that may pass.
    """
    import boto3  # noqa: PLC0415  (it costs 0.3 s, and a dry run needs none)
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        region_name=region,
        connect_timeout=min(10, seconds),
        read_timeout=seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return boto3.client(service, config=config)


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn boto3's exceptions into an AwsError: `asking("who we are")`."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        kind, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        raise AwsError(
            f"AWS refuses to answer about {what}: {kind}: {message}",
            hint="Check the account, the region and the role's rights; docs/aws.md lists them.",
            kind=kind,
        ) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise AwsError(
            f"AWS can't be asked {what}: {error}",
            hint="Log in to AWS: `aws sts get-caller-identity` shows as whom.",
        ) from error


def secret(name: str, region: str) -> str:
    """Read a secret's text from Secrets Manager."""
    with asking(f"the secret {name!r}"):
        answer = client("secretsmanager", region).get_secret_value(SecretId=name)
    text: str = answer.get("SecretString", "").strip()
    if not text:
        raise AwsError(
            f"the secret {name!r} is empty",
            hint="`make plan` prints the command that fills it.",
        )
    return remember(text)
