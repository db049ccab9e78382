"""The client of one forwarded connection: WebSocket with the channels of v4 to PortForward's URL.

The protocol cannot tell that one side has ended and the other continues: the connection ends when
the program in the pod closes it, or when the local program has ended.
"""

import asyncio
from pathlib import Path

from wsproto import events as ws

from cri_shim.cli.session import Session
from cri_shim.errors import ToolFailed
from cri_shim.wire.channels import ChannelData
from cri_shim.wire.negotiation import V4

_CHUNK = 1 << 16  # bytes that are read at once
_DATA, _ERROR = 0, 1
_GREETING = 2  # bytes of the port, at the start of each channel


async def forward(
    url: str,
    certificate: Path | None,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Connect a local connection with the pod's port until one side ends. ToolFailed."""
    async with await Session.open(url, certificate, protocol=V4) as session:
        sending = asyncio.create_task(_send(session, reader))
        receiving = asyncio.create_task(_receive(session, writer))
        try:
            await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() or (sending.done() and sending.exception() is not None):
                return
            await receiving
        finally:
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            result = (await asyncio.gather(receiving, return_exceptions=True))[0]
            if isinstance(result, ToolFailed):
                raise result


async def _send(session: Session, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(_CHUNK):
        await session.send_on(_DATA, data)


async def _receive(session: Session, writer: asyncio.StreamWriter) -> None:
    greetings = {_DATA: _GREETING, _ERROR: _GREETING}
    problem = b""
    async for event in session.events():
        if not isinstance(event, ws.BytesMessage):
            continue
        for piece in session.pieces(event):
            if not isinstance(piece, ChannelData) or piece.channel not in greetings:
                continue
            skipped = min(greetings[piece.channel], len(piece.data))
            greetings[piece.channel] -= skipped
            data = bytes(piece.data[skipped:])
            if piece.channel == _ERROR:
                problem += data
            elif data:
                writer.write(data)
                await writer.drain()
    if problem:
        raise ToolFailed(problem.decode(errors="replace"))
