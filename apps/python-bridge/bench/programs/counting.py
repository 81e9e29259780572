"""A client of Redis by txredisapi: ``counting.py PORT CLIENTS ROUNDS``. It prints how often each answer was right."""

import sys

import txredisapi
from twisted.internet import defer, reactor

port, clients, rounds = map(int, sys.argv[1:])


@defer.inlineCallbacks
def count(redis, client):
    right = 0
    for number in range(1, rounds + 1):
        value = f"value {number}"
        yield redis.set(f"text {client}", value)
        right += (yield redis.get(f"text {client}")) == value
        right += (yield redis.incr(f"number {client}")) == number
    return right


@defer.inlineCallbacks
def main():
    redis = yield txredisapi.ConnectionPool("127.0.0.1", port, poolsize=clients)
    yield redis.flushdb()
    right = yield defer.gatherResults([count(redis, client) for client in range(clients)])
    print(sum(right))
    yield redis.disconnect()
    reactor.stop()


main().addErrback(lambda failure: (failure.printTraceback(), reactor.stop()))
reactor.run()
