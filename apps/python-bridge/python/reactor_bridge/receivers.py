"""Receivers of Twisted's whose framing is done in Rust. The handlers stay in Python, and so do the names."""

from twisted.internet import protocol
from twisted.protocols import basic

from reactor_bridge._native import LineFramer, StringFramer


class LineReceiver(LineFramer, protocol.Protocol, basic._PauseableMixin):
    """A drop-in for ``twisted.protocols.basic.LineReceiver``."""

    delimiter = b"\r\n"
    MAX_LENGTH = 16384

    setRawMode = basic.LineReceiver.setRawMode
    setLineMode = basic.LineReceiver.setLineMode
    rawDataReceived = basic.LineReceiver.rawDataReceived
    lineReceived = basic.LineReceiver.lineReceived
    sendLine = basic.LineReceiver.sendLine
    lineLengthExceeded = basic.LineReceiver.lineLengthExceeded


class IntNStringReceiver(StringFramer, protocol.Protocol, basic._PauseableMixin):
    """A drop-in for ``twisted.protocols.basic.IntNStringReceiver``: subclasses have a ``structFormat`` and a ``prefixLength``.

    The prefix has one, two or four bytes, and no sign; the order of its bytes is said: ``"!H"``, ``"<I"``.
    """

    MAX_LENGTH = basic.IntNStringReceiver.MAX_LENGTH

    stringReceived = basic.IntNStringReceiver.stringReceived
    lengthLimitExceeded = basic.IntNStringReceiver.lengthLimitExceeded
    sendString = basic.IntNStringReceiver.sendString


class Int8StringReceiver(IntNStringReceiver):
    """A drop-in for ``twisted.protocols.basic.Int8StringReceiver``."""

    structFormat = "!B"
    prefixLength = 1


class Int16StringReceiver(IntNStringReceiver):
    """A drop-in for ``twisted.protocols.basic.Int16StringReceiver``."""

    structFormat = "!H"
    prefixLength = 2


class Int32StringReceiver(IntNStringReceiver):
    """A drop-in for ``twisted.protocols.basic.Int32StringReceiver``."""

    structFormat = "!I"
    prefixLength = 4


class NetstringReceiver(StringFramer, protocol.Protocol):
    """A drop-in for ``twisted.protocols.basic.NetstringReceiver``."""

    MAX_LENGTH = basic.NetstringReceiver.MAX_LENGTH
    brokenPeer = 0

    #: Not of Python's ``struct``: it tells the native half.
    structFormat = "netstring"

    stringReceived = basic.NetstringReceiver.stringReceived
    sendString = basic.NetstringReceiver.sendString
    _handleParseError = basic.NetstringReceiver._handleParseError

    def makeConnection(self, transport):
        self.recvd = b""
        self.brokenPeer = 0
        super().makeConnection(transport)


__all__ = [
    "Int16StringReceiver",
    "Int32StringReceiver",
    "Int8StringReceiver",
    "IntNStringReceiver",
    "LineReceiver",
    "NetstringReceiver",
]
