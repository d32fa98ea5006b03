"""The gates of a promotion: what each asks, and what to do when it blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ci.argocd.environment import live_tag
from ci.errors import CiError
from ci.git.archive import unpack
from ci.tree.difference import difference
from ci.version.order import REASONS, decide
from ci.version.tag import PipelineTag
from treecheck import kustomize

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ci.ship.candidate import Candidate


class Blocks(CiError):  # noqa: N818  (what a gate does)
    """A gate blocks the promotion; the message says why."""


class Skips(CiError):  # noqa: N818  (likewise)
    """A gate has nothing to ask, and the promotion changes nothing that runs; it says why."""


class Gate(NamedTuple):
    """A gate.

    Attributes:
        asks: what must be so.
        fix: what a person does when it isn't.
        check: returns what it found when it passes, else raises; Blocks and Skips are its own
            answers, and any other CiError means that it could not ask, which blocks as well.
    """

    asks: str
    fix: str
    check: Callable[[Candidate], str]


class State(NamedTuple):
    """A gate's answer: `passes`, `blocks`, `overridden` or `skipped`, with what it found.

    `fix` says what to do: by the gate's rule, or, where it could not ask, to make it able to.
    """

    gate: str
    word: str
    detail: str
    fix: str = ""


def _expect_in_use(candidate: Candidate) -> None:
    if candidate.is_idle:
        raise Skips(f"neither {candidate.origin} nor {candidate.target} runs this image yet")


def _healthy(candidate: Candidate) -> str:
    _expect_in_use(candidate)
    app, tag = candidate.app, candidate.tag
    if app.sync != "Synced" or app.health != "Healthy":
        raise Blocks(f"{app.name} is {app.sync} and {app.health}")
    if app.busy:
        raise Blocks(f"{app.name} is being synced")
    live = live_tag(candidate.api, app, candidate.image)
    if live != tag:
        raise Blocks(f"{app.name} runs {live or 'nothing'}, and git says {tag}")
    return f"{app.name} is Synced and Healthy on {tag}"


def _same_image(candidate: Candidate) -> str:
    digest = candidate.ecr.digest(candidate.tag)
    if digest is None:
        raise Blocks(f"{candidate.ecr.repository.address} has no tag {candidate.tag}")
    if candidate.is_idle:
        return f"the registry has {digest[:19]}…, and {candidate.origin} has no pod of it yet"
    running = candidate.running_digests()
    if running != {digest}:
        shown = ", ".join(sorted(running)) or "no image"
        raise Blocks(f"the registry has {digest}, and {candidate.origin}'s pods run {shown}")
    return f"the registry and {candidate.origin}'s pods have {digest[:19]}…"


def _scanned(candidate: Candidate) -> str:
    scan = candidate.ecr.scan(candidate.tag)
    if scan is None:
        raise Blocks("the image was never scanned")
    # ACTIVE is what enhanced scanning says of a scan that is kept up to date.
    if scan.status not in ("COMPLETE", "ACTIVE"):
        raise Blocks(f"the image's scan is {scan.status}")
    critical = scan.findings.get("CRITICAL", 0)
    if critical:
        raise Blocks(f"the scan found {critical} critical vulnerabilities")
    rest = ", ".join(f"{count} {name.lower()}" for name, count in sorted(scan.findings.items()))
    return f"nothing critical; {rest or 'nothing at all'}"


def _soaked(candidate: Candidate) -> str:
    _expect_in_use(candidate)
    since = candidate.running_since()
    if since is None:
        raise Blocks(f"Argo CD's history doesn't show {candidate.tag} in {candidate.origin}")
    ran, wanted = candidate.now - since, candidate.soak
    minutes = f"{ran.total_seconds() / 60:.0f} of {wanted.total_seconds() / 60:.0f} minutes"
    if ran < wanted:
        raise Blocks(f"{candidate.origin} ran it for {minutes}, until {since + wanted:%H:%M} UTC")
    return f"{candidate.origin} ran it for {minutes}"


def _descends(candidate: Candidate) -> str:
    tag = PipelineTag.match(candidate.tag)
    if tag is None:
        raise Blocks(f"{candidate.tag} is not a pipeline's tag, so its commit is unknown")
    decision = decide(candidate.there, candidate.there.entry.tag, tag, again=False)
    if decision.reason is not None:
        raise Blocks(f"in {candidate.target}, {REASONS[decision.reason]} ({decision.because[:12]})")
    return f"{decision.source[:8]} comes after what {candidate.target} runs"


def _only_the_image(candidate: Candidate) -> str:
    if candidate.waits:
        raise Skips(f"{candidate.target} does not run this image yet: nothing changes there")
    tree = candidate.folder / "tree"
    unpack(candidate.repository.archive(candidate.there.tip), tree)
    file = tree / candidate.there.path
    part = Path(candidate.there.folder).parent
    before = kustomize.render_objects(tree / part)
    file.write_bytes(candidate.there.with_tag(candidate.tag).data)
    after = kustomize.render_objects(tree / part)
    image = candidate.there.entry.registry or candidate.there.image
    lines = difference(before, after, image)
    if lines:
        changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        raise Blocks(f"the tag changes more than the image: {'; '.join(changed[:3])}")
    if before == after:
        raise Blocks(f"the tag changes nothing in what {candidate.target} renders to")
    return "the rendered difference is the image alone"


GATES: dict[str, Gate] = {
    "healthy": Gate(
        "the origin is Synced and Healthy in Argo CD, on exactly this tag",
        "Look at `python -m ci status`, and wait or fix what it names.",
        _healthy,
    ),
    "same-image": Gate(
        "the registry has the tag, and its digest is the one that the origin's pods run",
        "Build again; if the registry was changed behind the tag, find out by whom.",
        _same_image,
    ),
    "scanned": Gate(
        "the registry's scan of the image is complete and found nothing critical",
        "Wait for the scan, or update what it found (`make upgrade`, the base image) and merge.",
        _scanned,
    ),
    "soaked": Gate(
        "the origin has run it for long enough, without a break",
        "Wait, or choose another time with --soak MINUTES.",
        _soaked,
    ),
    "descends": Gate(
        "its commit comes after the one that the target runs, and was not reverted there",
        "Promote a newer build; to go back, use `python -m ci rollback`, and for the database's"
        " image `python -m ci hotfix --image postgres`.",
        _descends,
    ),
    "only-the-image": Gate(
        "in what the target renders to, nothing changes but the image",
        "Merge the other change first, by itself.",
        _only_the_image,
    ),
}


def ask(candidate: Candidate, *, overridden: Collection[str]) -> list[State]:
    """Ask every gate, also after one that blocks: a person wants to know all of them at once."""
    states = []
    for name, gate in GATES.items():
        word = "overridden" if name in overridden else "blocks"
        try:
            states.append(State(name, "passes", gate.check(candidate)))
        except Skips as error:
            states.append(State(name, "skipped", str(error)))
        except Blocks as error:
            states.append(State(name, word, str(error), gate.fix))
        except CiError as error:
            states.append(State(name, word, f"it can't be asked: {error}", error.hint))
    return states
