"""Calls on Twisted what amp_server.py answers, at whatever server, and prints what comes of it, a line a call.

Usage: amp_client.py [HOST] [PORT]
"""

import datetime
import decimal
import sys

from twisted.internet import defer, endpoints, task
from twisted.protocols import amp

from amp_server import AskBack, Calculator, Divide, Fail, Note, Notes, Slow, Sum, Types


class Unheard(amp.Command):
    pass


VALUES = {
    "integer": -(2**100),
    "string": bytes(range(256)),
    "unicode": "Grüße",
    "float": 1e16,
    "boolean": True,
    "datetime": datetime.datetime(2026, 11, 25, 8, 51, 0, 123, amp.utc),
    "decimal": decimal.Decimal("1.50"),
    "integers": [3, -7, 15],
    "lists": [["a", "b"], [], [""]],
    "boxes": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    "optional": None,
}


def main(reactor, host="127.0.0.1", port="1234"):
    endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
    return defer.ensureDeferred(talk(endpoint))


async def talk(endpoint):
    peer = await endpoints.connectProtocol(endpoint, Calculator())
    print("sum", (await peer.callRemote(Sum, a=13, b=81))["total"])
    print("divide", (await peer.callRemote(Divide, numerator=1, denominator=3))["result"])
    try:
        await peer.callRemote(Divide, numerator=1, denominator=0)
    except ZeroDivisionError as error:
        print("divide by zero:", error)
    print("types", await peer.callRemote(Types, **VALUES) == VALUES)
    calls = [peer.callRemote(Slow, number=n % 500) for n in range(1000)]
    answers = await defer.gatherResults(calls)
    print("slow", [answer["number"] for answer in answers] == [n % 500 for n in range(1000)])
    for text in "one", "two":
        peer.callRemote(Note, text=text)
    print("notes", (await peer.callRemote(Notes))["notes"])
    print("ask back", (await peer.callRemote(AskBack, a=1, b=2))["total"])
    try:
        await peer.callRemote(Unheard)
    except amp.UnhandledCommand as error:
        print("unheard:", error.args)
    waiting = peer.callRemote(Slow, number=0)
    try:
        await peer.callRemote(Fail)
    except amp.RemoteAmpError as error:
        print("fail:", error.errorCode, error.description)
    try:
        await waiting
    except Exception as error:
        print("lost:", type(error).__name__)
    sys.stdout.flush()


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
