"""How far each step is: `CHECKS` has a check for each, by the step's name.

A check asks with read-only calls alone. It returns done or open with a sentence; whatever keeps it
from an answer (no login, no network, no right, an answer that can't be read) is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import CiError
from ci.platform.plan.checks import argocd, aws, backups, cluster, here
from ci.platform.plan.step import Judged, Mark, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ci.platform.plan.checks.outside import Outside
    from ci.platform.plan.step import Step

CHECKS: dict[str, Callable[[Outside], Mark]] = {
    "tools": here.tools,
    "configure": here.configure,
    "login": aws.login,
    "zones": aws.zones,
    "connection": aws.connection,
    "source-credentials": aws.source_credentials,
    "stack": aws.stack,
    "token": aws.token,
    "comment-token": aws.comment_token,
    "bot": aws.bot,
    "signing": aws.signing,
    "cluster": cluster.cluster,
    "colleagues": aws.colleagues,
    "argocd": cluster.argocd,
    "argocd-login": argocd.login,
    "passwords": cluster.passwords,
    "private-repository": argocd.private_repository,
    "argocd-address": cluster.argocd_address,
    "webhook": here.webhook,
    "seal": here.seal,
    "push": here.push,
    "backups": backups.backups,
    "hand-over": argocd.hand_over,
    "first-build": argocd.first_build,
    "promote": argocd.promote,
    "look": cluster.look,
}
LONGEST = 200  # characters of a foreign sentence


def judge(steps: tuple[Step, ...], outside: Outside) -> Iterator[Judged]:
    """Judge each step, in order."""
    for step in steps:
        yield Judged(step, ask(CHECKS[step.name], outside))


def ask(check: Callable[[Outside], Mark], outside: Outside) -> Mark:
    """One check's mark; what keeps it from an answer becomes a sentence."""
    try:
        return check(outside)
    except CiError as error:
        return unknown(_sentence(str(error)))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
        return unknown(f"the answer can't be read: {type(error).__name__}: {_sentence(str(error))}")


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
