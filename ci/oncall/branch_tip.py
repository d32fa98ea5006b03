"""The tag at the branch's tip, asked of git beside everything else, and waited for briefly.

git may hang for as long as its server likes; who is on call gets the rest in time.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ci.argocd.environment import SERVICE, overlay_folder
from ci.errors import CiError
from ci.git.access import open_remote, remote_url
from ci.git.repository import Copied
from ci.oncall.reports import Git
from ci.version.image_file import ImageFile

if TYPE_CHECKING:
    from ci.argocd.application import Application

WITHIN = 2.0  # seconds for the branch's newest commit, which takes half a second
_GRACE = 0.3  # seconds to end git's processes and remove the copy


class BranchTip:
    """A question to git that is on its way; `answer` waits for it until its time is up."""

    def __init__(
        self, app: Application, environment: str, url: str | None, *, within: float = WITHIN
    ) -> None:
        self._app, self._environment, self._url, self._within = app, environment, url, within
        self._began = time.monotonic()
        self._found: Future[Git] = Future()
        # Whatever still hangs when all else is said must not keep the process from its end.
        threading.Thread(target=self._ask, daemon=True).start()

    def answer(self) -> Git:
        """What git says: the tag, why it can't be read, or that it was too slow."""
        left = self._began + self._within + _GRACE - time.monotonic()
        try:
            return self._found.result(max(0.0, left))
        except TimeoutError:
            return self._late()

    def _late(self) -> Git:
        return Git(error=f"no answer within {self._within:g} s", late=True)

    def _ask(self) -> None:
        try:
            self._found.set_result(self._read())
        except CiError as error:
            is_late = time.monotonic() - self._began >= self._within
            self._found.set_result(self._late() if is_late else Git(error=str(error)))
        except BaseException as error:  # noqa: BLE001  (it is raised by `answer`)
            self._found.set_exception(error)

    def _read(self) -> Git:
        place = remote_url(self._url, self._app.url)
        limits = {"seconds": self._within, "least": 0.0}
        with open_remote(place, os.environ, part=Copied.TIP, **limits) as access:
            tip = access.tip(access.branch(self._app.branch))
            overlay = ImageFile(access.repository, tip, overlay_folder(self._environment), SERVICE)
            shown = access.repository.git("show", "-s", "--format=%cI%n%s", tip).splitlines()
            at = datetime.fromisoformat(shown[0]).astimezone(UTC)
            return Git(overlay.entry.tag, tip, at, shown[1] if len(shown) > 1 else "")
