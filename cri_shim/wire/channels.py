"""The channels of WebSocket messages: which bytes belong to which stream.

Binary protocols begin each message with one byte, the channel; base64 protocols send text, one
character for the channel (its number after "0") and base64. v5 adds the message {255, channel}:
the sender will send nothing more on that channel.
"""

import base64
import binascii
from dataclasses import dataclass

from cri_shim.wire.negotiation import V1_BASE64, V4_BASE64, V5

_CLOSE = 255


@dataclass(frozen=True, slots=True)
class ChannelData:
    """A piece of a message, perhaps empty. `channel` is what the peer sent: any byte."""

    channel: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The peer sends nothing more on the channel (v5)."""

    channel: int


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A message that cannot be decoded; the caller should close the connection."""

    reason: str


ChannelEvent = ChannelData | ChannelClosed | BadMessage


class Channels:
    """The codec of one connection. It decodes messages by fragments and never buffers a message."""

    def __init__(self, protocol: str) -> None:
        self.text = protocol in (V1_BASE64, V4_BASE64)
        self._closes = protocol == V5
        self._channel: int | None = None  # channel of the message that is being read
        self._rest = ""  # up to three base64 characters that wait for the next fragment
        self._padded = False

    def encode(self, channel: int, data: bytes | bytearray | memoryview) -> bytes | str:
        """Encode one message: text for the base64 protocols, else binary."""
        if self.text:
            return chr(ord("0") + channel) + base64.b64encode(data).decode("ascii")
        return b"".join((channel.to_bytes(1, "big"), data))

    def encode_close(self, channel: int) -> bytes:
        """Return the message that ends a channel (v5 only)."""
        return bytes((_CLOSE, channel))

    def decode(
        self, message: bytes | bytearray | str, *, finished: bool = True
    ) -> list[ChannelEvent]:
        """Decode a message or its next fragment; `finished` marks the last fragment."""
        if isinstance(message, str) != self.text:
            return [BadMessage("a text message on a binary protocol, or the reverse")]
        events = (
            self._decode_text(message, finished)
            if isinstance(message, str)
            else self._decode_binary(message)
        )
        if finished:
            self._channel, self._rest, self._padded = None, "", False
        return events

    def _decode_binary(self, message: bytes | bytearray) -> list[ChannelEvent]:
        view = memoryview(message)
        if self._channel is None:
            if not view:
                return []  # clients may send an empty message as a probe
            self._channel, view = view[0], view[1:]
        if self._channel == _CLOSE and self._closes:
            return [ChannelClosed(channel) for channel in view]
        return [ChannelData(self._channel, view)] if view else []

    def _decode_text(self, message: str, finished: bool) -> list[ChannelEvent]:
        if self._channel is None:
            if not message:
                return []
            self._channel, message = ord(message[0]) - ord("0"), message[1:]
            if not 0 <= self._channel < _CLOSE:
                return [BadMessage("a channel that is no digit")]
        text = self._rest + message
        whole = len(text) - len(text) % 4
        text, self._rest = text[:whole], text[whole:]
        if self._rest and finished:
            return [BadMessage("base64 that ends early")]
        if text and self._padded:
            return [BadMessage("base64 that continues after its end")]
        self._padded = text.endswith("=")
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return [BadMessage("a message that is no base64")]
        return [ChannelData(self._channel, data)] if data else []
