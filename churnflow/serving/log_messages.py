"""What a worker tells the process that writes its log: the release once, then what was answered; and what it hears."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

_LENGTH: Final = struct.Struct("<I")


class Served(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """A release that answers refer to by `told`, and what may be kept of its customers.

    names: of the features, in the order of `Answered.values`. reference: the file of the bundle, None without one.
    """

    told: str
    sha256: str
    version: str | None
    threshold: float
    inputs: str
    customer: str
    retention_days: int
    names: list[str]
    reference: bytes | None


class Answered(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """One answered request. values: a column of each feature, None where nothing is kept of them."""

    id: str
    at: float
    seconds: float
    key: str | None
    told: str
    ids: list[str | int | None]
    probabilities: list[float]
    values: list[Sequence[str | float | None]] | None


class Counted(msgspec.Struct, tag=True, array_like=True, frozen=True):
    """Requests of a minute since the epoch, by route and status; lost: customers that could not be told of."""

    minute: int
    route: str
    status: int
    requests: int
    seconds: float
    lost: int


class State(msgspec.Struct, array_like=True, frozen=True):
    """What the writer tells: how its last write went, and what became of customers since the last word.

    settled: how many it waits for no more, those that it could not keep (lost) among them.
    """

    well: bool
    lost: int
    settled: int


Message = Served | Answered | Counted

_encoder: Final = msgspec.msgpack.Encoder()
_messages: Final = msgspec.msgpack.Decoder(Message)
_states: Final = msgspec.msgpack.Decoder(State)


def framed(message: Message | State) -> bytes:
    """Return a message as it goes through a pipe: its length, and MessagePack."""
    data = _encoder.encode(message)
    return _LENGTH.pack(len(data)) + data


class Frames:
    """Cuts what comes through a pipe into messages."""

    def __init__(self, decode: Any = _messages) -> None:
        """Take the decoder of what comes."""
        self._decode = decode.decode
        self._rest = b""

    @classmethod
    def of_states(cls) -> "Frames":
        """Return one for what a writer tells."""
        return cls(_states)

    def feed(self, data: bytes) -> Iterator[Any]:
        """Yield the messages that are whole."""
        self._rest += data
        place = 0
        while len(self._rest) - place >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, place)
            end = place + _LENGTH.size + length
            if len(self._rest) < end:
                break
            yield self._decode(memoryview(self._rest)[place + _LENGTH.size : end])
            place = end
        self._rest = self._rest[place:]
