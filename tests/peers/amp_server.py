"""Answers AMP calls on Twisted, with every type of argument. Prints where it listens.

Usage: amp_server.py [HOST] [PORT]
"""

import sys

from twisted.internet import defer, protocol, reactor
from twisted.protocols import amp

TYPES = [
    (b"integer", amp.Integer()),
    (b"string", amp.String()),
    (b"unicode", amp.Unicode()),
    (b"float", amp.Float()),
    (b"boolean", amp.Boolean()),
    (b"datetime", amp.DateTime()),
    (b"decimal", amp.Decimal()),
    (b"integers", amp.ListOf(amp.Integer())),
    (b"lists", amp.ListOf(amp.ListOf(amp.Unicode()))),
    (b"boxes", amp.AmpList([(b"a", amp.Integer()), (b"b", amp.Unicode(optional=True))])),
    (b"optional", amp.Integer(optional=True)),
]


class Sum(amp.Command):
    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Divide(amp.Command):
    arguments = [(b"numerator", amp.Integer()), (b"denominator", amp.Integer())]
    response = [(b"result", amp.Float())]
    errors = {ZeroDivisionError: b"ZERO_DIVISION"}


class Types(amp.Command):
    """Comes back as it went."""

    arguments = response = TYPES


class Slow(amp.Command):
    """Is answered when another with the same number is."""

    arguments = response = [(b"number", amp.Integer())]


class Fail(amp.Command):
    pass


class Note(amp.Command):
    arguments = [(b"text", amp.Unicode())]
    requiresAnswer = False


class Notes(amp.Command):
    response = [(b"notes", amp.ListOf(amp.Unicode()))]


class AskBack(amp.Command):
    """Calls Sum of the caller before it answers."""

    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]


class Calculator(amp.AMP):
    def __init__(self):
        super().__init__()
        self.notes = []
        self.waiting = {}

    @Sum.responder
    def sum(self, a, b):
        return {"total": a + b}

    @Divide.responder
    def divide(self, numerator, denominator):
        return {"result": numerator / denominator}

    @Types.responder
    def types(self, **values):
        return values

    @Slow.responder
    def slow(self, number):
        if number in self.waiting:
            self.waiting.pop(number).callback({"number": number})
            return {"number": number}
        self.waiting[number] = defer.Deferred()
        return self.waiting[number]

    @Fail.responder
    def fail(self):
        raise RuntimeError("not for the peer")

    @Note.responder
    def note(self, text):
        self.notes.append(text)
        return {}

    @Notes.responder
    def get_notes(self):
        return {"notes": self.notes}

    @AskBack.responder
    def ask_back(self, a, b):
        return self.callRemote(Sum, a=a, b=b)


if __name__ == "__main__":
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 1234
    listening = reactor.listenTCP(port, protocol.Factory.forProtocol(Calculator), interface=host)
    print("waiting for connection...", "%s:%d" % (listening.getHost().host, listening.getHost().port), flush=True)
    reactor.run()
