"""Receivers of Twisted's whose framing is done in Rust. The handlers stay in Python, and so does the class's name."""

from twisted.internet import protocol
from twisted.protocols import basic

from reactor_bridge._native import LineFramer


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


__all__ = ["LineReceiver"]
