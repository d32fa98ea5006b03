"""What is to be promoted, and where the gates look: git, Argo CD, ECR, the clock."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.argocd.environment import pods, read
from ci.ship.which_image import is_deployed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta
    from pathlib import Path

    from ci.argocd.application import Application
    from ci.argocd.client import ArgoCD
    from ci.aws.ecr import Ecr
    from ci.git.repository import Repository
    from ci.tree.images import SourceImage
    from ci.version.image_file import ImageFile


@dataclass
class Candidate:
    """One environment's tag on its way to the next.

    Attributes:
        image: the image whose tag it is.
        origin: the environment that runs it, `dev`.
        target: the environment that is to run it, `prod`.
        here: origin's overlay at the branch's tip.
        there: target's overlay at the branch's tip.
        repository: the branch's copy.
        folder: a private folder, for a rendering.
        soak: how long origin must have run it.
        now: the time, UTC.
        connect: connects to Argo CD; called when the first gate asks for it.
        registry: connects to ECR; likewise.
    """

    image: SourceImage
    origin: str
    target: str
    here: ImageFile
    there: ImageFile
    repository: Repository
    folder: Path
    soak: timedelta
    now: datetime
    connect: Callable[[], ArgoCD]
    registry: Callable[[], Ecr]

    @property
    def tag(self) -> str:
        """The tag to promote."""
        return self.here.entry.tag

    @functools.cached_property
    def api(self) -> ArgoCD:
        """Argo CD."""
        return self.connect()

    @functools.cached_property
    def ecr(self) -> Ecr:
        """The image's repository."""
        return self.registry()

    @functools.cached_property
    def app(self) -> Application:
        """Origin's Application, after Argo CD has looked into git again."""
        return read(self.api, self.origin, self.image.part, refresh=True)[0]

    @functools.cached_property
    def waits(self) -> bool:
        """Whether the target does not run this image, whatever the tag: only git changes then."""
        return not is_deployed(self.image, self.there)

    @functools.cached_property
    def is_idle(self) -> bool:
        """Whether neither environment runs it, so that nothing in the cluster can be asked."""
        return self.waits and not is_deployed(self.image, self.here)

    def running_digests(self) -> set[str]:
        """The digests of the images that origin's pods run, as the nodes report them."""
        digests = set()
        for pod in pods(self.api, self.app, self.image):
            node = {"version": "v1", "kind": "Pod", "name": pod.name}
            node["namespace"] = self.app.namespace
            status = self.api.resource(self.app.name, node).get("status") or {}
            digests |= {
                container.get("imageID", "").rpartition("@")[2]
                for container in status.get("containerStatuses") or []
                if container["name"] == self.image.workload
            }
        return digests

    def running_since(self) -> datetime | None:
        """Since when origin has run the tag without a break, by Argo CD's history.

        A commit that has the tag in a component that its overlay doesn't use runs something else.
        """
        deploying = ""
        for record in self.here.records():
            if record.version.tag != self.tag:
                break
            deploying = record.version.commit
        since = None
        for entry in reversed(self.app.entries):
            if not deploying or not self.repository.is_ancestor(deploying, entry.revision):
                break
            if not is_deployed(self.image, self.here, entry.revision):
                break
            since = entry.at
        return since
