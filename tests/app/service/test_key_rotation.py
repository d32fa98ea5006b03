"""A key is replaced under load, in two processes, as the kubelet does it, and no request fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from coworking.access import new_key
from tests.app.service.clients import REPORTS, Clients
from tests.app.service.kubelet import Mount

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROTATIONS = [1, pytest.param(3, marks=pytest.mark.slow)]  # three are a test of `make test-long`


def ask(service: Any, key: str) -> tuple[str, int]:
    """Which process answered on a new connection, and how."""
    answer = service.get(REPORTS[0], headers={"Authorization": f"Bearer {key}"})
    return answer.headers["X-Request-ID"].partition("-")[0], answer.status_code


def everywhere(service: Any, key: str, status: int) -> bool:
    """Whether both processes answer so to this key."""
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda _: ask(service, key), range(40)))
    return len(answers) == 2 and {answer for _, answer in answers} == {status}


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path / "secret", {"DB_PASSWORD": "unused", "ACCESS_KEY": new_key()})


@pytest.fixture
def service(serve: Callable[..., Any], database: Any, mount: Mount) -> Any:
    """Two processes behind the key of the mount."""
    file = str(mount.folder / "ACCESS_KEY")
    return serve(database, WEB_PROCESSES="2", ACCESS_KEY_FILE=file, LOG_LEVEL="WARNING")


@pytest.mark.slow
@pytest.mark.parametrize("rotations", ROTATIONS)
def test_a_rotation_under_load_fails_no_request(
    service: Any, mount: Mount, wait: Callable[..., None], rotations: int
) -> None:
    old = (mount.folder / "ACCESS_KEY").read_text()
    port = int(service.address.rpartition(":")[2])
    with Clients(port, REPORTS, key=old) as clients:
        for _ in range(rotations):
            new = new_key()
            mount.write({"DB_PASSWORD": "unused", "ACCESS_KEY": new, "ACCESS_KEY_OLD": old})
            wait(lambda new=new: everywhere(service, new, 200), "the new key in both processes")
            assert {ask(service, old)[1] for _ in range(20)} == {200}
            clients.key = new
            wait(lambda new=new: clients.sent[new] > 500, "traffic with the new key")
            mount.write({"DB_PASSWORD": "unused", "ACCESS_KEY": new})
            wait(lambda old=old: everywhere(service, old, 401), "the end of the old key")
            old = new
    assert clients.outcomes == {"200": clients.total}
    assert clients.total > 500 * rotations


@pytest.mark.slow
def test_who_logged_in_at_one_process_is_served_by_the_other(service: Any, mount: Mount) -> None:
    key = (mount.folder / "ACCESS_KEY").read_text()
    login = requests.post(
        service.address + "/login",
        data=urlencode({"key": key, "goal": "/"}),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        allow_redirects=False,
        timeout=10,
    )
    assert login.status_code == 303
    cookie = {"Cookie": login.headers["Set-Cookie"].partition(";")[0]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.get("/", headers=cookie), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["X-Request-ID"].partition("-")[0] for answer in answers}) == 2


@pytest.mark.slow
def test_the_metrics_say_whether_the_door_is_open(
    service: Any, mount: Mount, wait: Callable[..., None]
) -> None:
    def shows(line: str) -> bool:
        return line in requests.get(service.metrics, timeout=10).text.splitlines()

    assert shows("coworking_door_open 0.0")
    assert shows("coworking_access_keys_fault 0.0")
    mount.write({"DB_PASSWORD": "unused"})
    wait(lambda: shows("coworking_access_keys_fault 1.0"), "the report of the missing key")
    assert shows("coworking_door_open 0.0")
    assert service.get(REPORTS[0]).status_code == 401
    assert "has no key any more" in service.logged()


def test_the_start_is_logged_with_the_door(
    serve: Callable[..., Any], database: Any, mount: Mount, tmp_path: Path
) -> None:
    closed = serve(database, ACCESS_KEY_FILE=str(mount.folder / "ACCESS_KEY"))
    assert '"door": "closed", "access_keys": 1' in closed.logged()
    nothing = serve(database, ACCESS_KEY_FILE=str(tmp_path / "ACCESS_KEY"))
    assert '"door": "open", "access_keys": 0' in nothing.logged()
    assert '"message": "no access key: the reports answer everybody"' in nothing.logged()
    assert nothing.get(REPORTS[0]).status_code == 200
