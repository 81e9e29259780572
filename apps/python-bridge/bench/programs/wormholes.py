"""Pairs of magic-wormhole's own clients that talk: ``wormholes.py URL PAIRS``. It prints how many were told the right thing."""

import sys

import wormhole
from twisted.internet import defer, reactor, task

url, pairs = sys.argv[1], int(sys.argv[2])


@defer.inlineCallbacks
def talk(pair):
    ends = [wormhole.create("example.org/programs", url, reactor) for _ in range(2)]
    for end in ends:
        end.set_code(f"{pair + 1}-purple-sausages")
    message = b"message of pair %d" % pair
    ends[0].send_message(message)
    heard = yield ends[1].get_message()
    yield defer.gatherResults([end.close() for end in ends])
    return heard == message


@defer.inlineCallbacks
def main():
    right = []
    waiting = iter(range(pairs))

    @defer.inlineCallbacks
    def some():
        for pair in waiting:
            right.append((yield talk(pair)))

    yield defer.gatherResults([some() for _ in range(4)])
    print(sum(right))


task.react(lambda _: main())
