"""A Kubernetes Service in miniature: new connections go to whoever is ready by its probes.

    python readiness_proxy.py PORT FILE

FILE lists the processes' ports, a line each, and may change at any time. As kube-proxy does, it
chooses when a connection is opened and forwards bytes from then on, and it learns of a change late.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections import Counter
from pathlib import Path

PROBE_SECONDS = 0.2


class Backends:
    """The ports that are ready, in turn; two failed probes end that, and a deletion is sooner."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ready: list[int] = []
        self._failed: Counter[int] = Counter()
        self._turns = itertools.count()

    async def follow(self) -> None:
        while True:
            ports = [int(line) for line in self._file.read_text().split()]
            for port, yes in zip(ports, await asyncio.gather(*map(is_ready, ports)), strict=True):
                self._failed[port] = 0 if yes else self._failed[port] + 1
            kept = [port for port in self._ready if self._failed[port] == 1]
            self._ready = [port for port in ports if port in kept or not self._failed[port]]
            await asyncio.sleep(PROBE_SECONDS)

    def choose(self) -> int:
        return self._ready[next(self._turns) % len(self._ready)]


async def is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readiness_check HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
            return b" 200 " in status
    return False


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def main(port: int, file: Path) -> None:
    backends = Backends(file)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", backends.choose())
        await asyncio.gather(copy(reader, upstream[1]), copy(upstream[0], writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await backends.follow()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
