"""A relay in front of a registry that delays its answers, or stops them completely."""

import asyncio
from contextlib import suppress


class Relay:
    """A relay that serves inside `async with`; it waits `pace` before each piece of an answer."""

    PIECE = 1 << 16

    def __init__(self, port: int) -> None:
        """`port` is that of the registry, on the loopback address."""
        self._to = port
        self.pace = 0.0  # seconds
        self.open = asyncio.Event()  # if it is not set, large answers stop
        self.open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        answers, questions = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, questions, slowly=False))
                group.create_task(self._copy(answers, writer, slowly=True))
        except* OSError:
            pass
        finally:
            for side in (writer, questions):
                side.close()
                with suppress(OSError):
                    await side.wait_closed()

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, slowly: bool
    ) -> None:
        while piece := await source.read(self.PIECE):
            sink.write(piece)
            await sink.drain()
            if slowly and len(piece) >= self.PIECE // 4:
                await self.open.wait()
                await asyncio.sleep(self.pace)
        sink.write_eof()
