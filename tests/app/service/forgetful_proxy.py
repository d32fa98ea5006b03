"""A way to the database through a network that can be told to fail; SIGSTOP makes it swallow all.

    python forgetful_proxy.py PORT UPSTREAM_PORT

Stopped, it accepts connections and bytes (the kernel does) and passes none on; continued, it passes
on what came. SIGUSR1 makes it forget the connections that it has: nothing goes through them again,
and neither side is told, as after a NAT has lost its table or a node has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys


class Way:
    """One connection and its twin to the database; forgotten, both stay open and silent."""

    def __init__(self) -> None:
        self.forgotten = False

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.forgotten:
                    continue
                writer.write(data)
                await writer.drain()
        if self.forgotten:
            await asyncio.Event().wait()
        with contextlib.suppress(OSError):
            writer.close()


async def main(port: int, upstream: int) -> None:
    ways: list[Way] = []

    def forget() -> None:
        for way in ways:
            way.forgotten = True

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
        except OSError:
            writer.close()
            return
        ways.append(way := Way())
        await asyncio.gather(way.copy(reader, far_writer), way.copy(far_reader, writer))

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, forget)
    async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
