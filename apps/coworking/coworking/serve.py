"""The production server: granian's processes, and a stop that no request notices.

SIGTERM is Kubernetes's word for "no more requests will be sent soon": its Services learn of it
from the readiness probe, or from the pod's deletion, only after a moment. So readiness answers 503
at once while the listener stays open for DRAIN_SECONDS; then the listener closes, requests under
way finish, and the status is 0. SIGINT, a person's Ctrl-C, does the same without the wait. A second
signal ends everything at once.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.mp import MPServer

from coworking import logs, schema
from coworking.access import AccessKeys
from coworking.app import create_app
from coworking.errors import ServiceError
from coworking.lanes import SWITCH_SECONDS
from coworking.scheduler import Folding
from coworking.scrape import Scrape, share
from coworking.web import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.sharedctypes import Synchronized

    from coworking.app import App
    from coworking.config import Config

LONGEST_TEMPORARY = 70  # characters; a socket's whole path has at most 103 on macOS
ORPHAN_CHECK = 1.0  # seconds between a worker's looks at whether its parent still lives


def serve(config: Config) -> NoReturn:
    """Serve until a signal comes, and end the process: 0, or 1 if a worker ended by itself.

    Raises:
        ServiceError: the address can't be listened on, or the access keys can't be used.
    """
    keys = AccessKeys(config.access_key_file)
    _refuse_taken_address(config)
    stopping = multiprocessing.Value("b", 0, lock=False)
    _log_start(config, keys)
    status = 0
    server = Stoppable(config, stopping)
    try:
        server.serve(
            target_loader=functools.partial(
                worker_app, config, stopping, os.getpid(), server.figures
            ),
            wrap_loader=False,
        )
    except SystemExit as ended:
        status = int(ended.code or 0)
    shutil.rmtree(server.figures, ignore_errors=True)
    logs.info("stopped", status=status)
    logging.shutdown()
    # The interpreter's own end would wait for a fold under way, however long it takes. Its
    # transaction ends with the process, and all of it is still there for the next one.
    os._exit(status)


def _log_start(config: Config, keys: AccessKeys) -> None:
    logs.info(
        "starting",
        host=config.app_host,
        port=config.app_port,
        metrics_port=config.metrics_port,
        processes=config.web_processes,
        threads=config.web_threads,
        build=config.build,
        commit=config.commit,
        schema=schema.REQUIRED_REVISION,
        door="closed" if keys.closed else "open",
        access_keys=keys.count,
    )
    if config.access_key_file is not None and not keys.closed:
        logs.warning(
            "no access key: the reports answer everybody", file=str(config.access_key_file)
        )


def _refuse_taken_address(config: Config) -> None:
    """Fail here, in a sentence; the workers' sockets would share a port with another service's."""
    family = socket.AF_INET6 if ":" in config.app_host else socket.AF_INET
    with socket.socket(family) as probe, _named(config.app_host, config.app_port, "APP_PORT"):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((config.app_host, config.app_port))


@contextlib.contextmanager
def _named(host: str, port: int, setting: str) -> Iterator[None]:
    """Turn the refusal of an address into a sentence that names its settings."""
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"{host}:{port} can't be listened on: {error.strerror}",
            hint=f"Stop what listens there, or set APP_HOST and {setting} to another address.",
        ) from None


def worker_app(config: Config, stopping: Synchronized[int], parent: int, figures: Path) -> App:
    """The app in a worker process, which ends itself if its parent is killed.

    Args:
        config: the settings.
        stopping: not 0 from the signal to stop on.
        parent: the parent's process id.
        figures: the folder in which the worker offers its figures to the parent.
    """
    threading.Thread(
        target=_end_as_orphan, args=(parent,), name="orphan-check", daemon=True
    ).start()
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(config, stopping=lambda: bool(stopping.value))
    share(app.extensions[EXTENSION].metrics.registry, figures)
    return app


def _figures_folder() -> Path:
    """A new folder for the workers' sockets, whose paths may not be long."""
    try:
        temporary = tempfile.gettempdir()
        if len(temporary) > LONGEST_TEMPORARY:
            raise ServiceError(
                f"{temporary} has too long a name for the sockets in it",
                hint="Set TMPDIR to a folder with a shorter name, say TMPDIR=/tmp.",
            )
        return Path(tempfile.mkdtemp(prefix="coworking-"))
    except OSError as error:
        raise ServiceError(
            f"no folder for temporary files can be written: {error.strerror}",
            hint="The service needs /tmp, or the folder that TMPDIR names.",
        ) from None


class Stoppable(MPServer):
    """granian with our signals, and with the port for metrics in the parent.

    Attributes:
        figures: the folder in which workers offer their figures; only this user can enter it.
    """

    def __init__(self, config: Config, stopping: Synchronized[int]) -> None:
        super().__init__(
            "coworking",
            address=config.app_host,
            port=config.app_port,
            interface=Interfaces.WSGI,
            workers=config.web_processes,
            blocking_threads=config.web_threads,
            websockets=False,
            log_dictconfig=logs.settings(config.log_level),
            log_level=LogLevels.error,  # the service says itself when it starts and stops
            # A statement may take this long, and so may the request that waits for it.
            workers_kill_timeout=round(config.db_statement_timeout) + 5,
        )
        self.figures = _figures_folder()
        self._folding = Folding(config)
        with _named(config.app_host, config.metrics_port, "METRICS_PORT"):
            self._scrape = Scrape(
                config.app_host,
                config.metrics_port,
                self.figures,
                workers=config.web_processes,
                own=self._folding.watched.registry,
            )
        self._drain = config.drain_seconds
        self._stopping = stopping
        self._timer: threading.Timer | None = None

    def startup(self, *arguments: Any) -> None:
        """Bind, start the workers, then metrics and the fold: threads come after the forks."""
        super().startup(*arguments)
        self._scrape.start()
        self._folding.start()

    def signal_handler_interrupt(self, *arguments: Any) -> None:
        """The first signal begins the stop, the second one ends everything."""
        number, _frame = arguments
        if self._stopping.value:
            self._end_at_once(number)
        self._stopping.value = 1
        wait = self._drain if number == signal.SIGTERM else 0.0
        logs.info("stopping", signal=signal.Signals(number).name, drain_seconds=wait)
        self._timer = threading.Timer(wait, super().signal_handler_interrupt)
        self._timer.daemon = True
        self._timer.start()

    def shutdown(self, exit_code: int = 0) -> None:
        """Close the listener, let requests finish, give the fold up to another process."""
        self._folding.stop()
        super().shutdown(exit_code)

    def _end_at_once(self, number: int) -> None:
        for worker in self.wrks:
            worker.kill()
        shutil.rmtree(self.figures, ignore_errors=True)
        os._exit(128 + number)


def _end_as_orphan(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK)
    os.kill(os.getpid(), signal.SIGTERM)
