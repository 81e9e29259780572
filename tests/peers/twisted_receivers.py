"""What Twisted's receivers make of streams: reads cases from stdin, and answers each on stdout.

A case is its kind (one byte), the greatest length (two, the high one first), the number of pieces (one), and the pieces,
each behind its length (one). An answer is its length (four bytes) and what was called: a letter, a length of two bytes
and the data of each call; and a bar behind each piece.
"""

import sys

from twisted.protocols import basic, stateful


class Transport:
    disconnecting = False

    def loseConnection(self):
        self.disconnecting = True

    def pauseProducing(self):
        pass

    def resumeProducing(self):
        pass


class Log:
    def __init__(self):
        self.log = bytearray()

    def called(self, letter, data=b""):
        self.log += letter + len(data).to_bytes(2, "big") + data

    def message(self, data):
        self.called(b"m", data)
        if data == b"c":
            self.transport.loseConnection()


class Lines(Log, basic.LineReceiver):
    missing = 0
    raw = b""

    def lineReceived(self, line):
        self.message(line)
        if line == b"p":
            self.pauseProducing()
        elif len(line) == 2 and line[:1] == b"r" and line[1:].isdigit() and line != b"r0":
            self.missing = int(line[1:])
            self.setRawMode()

    def rawDataReceived(self, data):
        self.raw += data[: self.missing]
        rest = data[self.missing :]
        self.missing -= min(len(data), self.missing)
        if self.missing == 0:
            self.called(b"r", self.raw)
            self.raw = b""
            self.setLineMode(rest)

    def lineLengthExceeded(self, line):
        self.called(b"x", line)
        self.transport.loseConnection()


class Netstrings(Log, basic.NetstringReceiver):
    def stringReceived(self, string):
        self.message(string)

    def _handleParseError(self):
        self.called(b"x")
        basic.NetstringReceiver._handleParseError(self)


class IntN(Log):
    def stringReceived(self, string):
        self.message(string)
        if string == b"p":
            self.pauseProducing()

    def lengthLimitExceeded(self, length):
        self.called(b"x")
        self.transport.loseConnection()


class Int8(IntN, basic.Int8StringReceiver):
    pass


class Int16(IntN, basic.Int16StringReceiver):
    pass


class Int32(IntN, basic.Int32StringReceiver):
    pass


class Stateful(Log, stateful.StatefulProtocol):
    def getInitialState(self):
        return self.length, 1

    def length(self, data):
        return self.body, data[0] % 8

    def body(self, data):
        self.message(data)
        # With nothing returned, the same again.
        return None if data[:1] == b"k" else (self.length, 1)


KINDS = [Lines, Netstrings, Int8, Int16, Int32, Stateful]


def play(kind, most, pieces):
    protocol = KINDS[kind]()
    protocol.MAX_LENGTH = most
    protocol.makeConnection(Transport())
    for piece in pieces:
        # From a connection that closes nothing is read.
        if protocol.transport.disconnecting:
            break
        protocol.dataReceived(piece)
        while getattr(protocol, "paused", False) and not protocol.transport.disconnecting:
            protocol.resumeProducing()
        protocol.log += b"|"
    return bytes(protocol.log)


def main():
    data = sys.stdin.buffer.read()
    at = 0
    answers = []
    while at < len(data):
        kind, most, count = data[at], int.from_bytes(data[at + 1 : at + 3], "big"), data[at + 3]
        at += 4
        pieces = []
        for _ in range(count):
            end = at + 1 + data[at]
            pieces.append(data[at + 1 : end])
            at = end
        answer = play(kind, most, pieces)
        answers.append(len(answer).to_bytes(4, "big") + answer)
    sys.stdout.buffer.write(b"".join(answers))


main()
