"""Runs a PostgreSQL server for as long as any process of a test run holds a lock on a file.

    python postgres_guard.py BIN DATA PORT OS_USER USERS_LOCK INFO

The kernel lets go of the lock when its holder ends, in whatever way, so the server never outlives
the run: this script waits for the lock, stops the server and removes its data. INFO is written
when the server takes connections.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "off",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "max_prepared_transactions": "10",
    "log_destination": "stderr",
}
START_SECONDS = 60


def main() -> None:
    """Start, wait for the last user, stop, clean up."""
    bin_folder, data, port, os_user, users_lock, info = sys.argv[1:]
    user = os_user or None
    settings = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
    with Path(data, "log").open("wb") as log:
        server = subprocess.Popen(
            [f"{bin_folder}/postgres", "-D", f"{data}/data", "-p", port, *settings],
            user=user,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        if wait_for(server, bin_folder, port):
            Path(f"{info}.new").write_text(port, encoding="ascii")
            Path(f"{info}.new").rename(info)  # whole or not there
            with Path(users_lock).open("a") as users:
                fcntl.flock(users, fcntl.LOCK_EX)
                # Still holding it, so that a newcomer waits until there is nothing of us left.
                Path(info).unlink(missing_ok=True)  # pytest may have cleaned up
                stop(server, data)
    finally:
        stop(server, data)


def wait_for(server: subprocess.Popen[bytes], bin_folder: str, port: str) -> bool:
    """Whether the server takes connections, within START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    command = [f"{bin_folder}/pg_isready", "-q", "-h", "127.0.0.1", "-p", port]
    while server.poll() is None and time.monotonic() < deadline:
        if subprocess.run(command, check=False).returncode == 0:
            return True
        time.sleep(0.02)
    return False


def stop(server: subprocess.Popen[bytes], data: str) -> None:
    """End the server by its immediate shutdown (the data is thrown away) and remove the folder."""
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        server.wait()
    shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.chdir("/")
    main()
