"""Has Twisted run a server on standard input and output, asks it once, and tells what becomes of it.

Usage: twisted_spawn.py SERVER
"""

import sys

from twisted.internet import protocol, reactor


class Ask(protocol.ProcessProtocol):
    lost = []

    def connectionMade(self):
        self.transport.write(b"hello from Twisted")

    def outReceived(self, data):
        print(data.decode(), flush=True)
        self.transport.closeStdin()

    def errReceived(self, data):
        print("error:", data, flush=True)

    def inConnectionLost(self):
        self.lost.append("in lost")

    def outConnectionLost(self):
        self.lost.append("out lost")

    def errConnectionLost(self):
        self.lost.append("err lost")

    def processEnded(self, reason):
        for pipe in ("in lost", "out lost", "err lost"):
            assert self.lost.count(pipe) == 1, self.lost
            print(pipe)
        print("ended", reason.value.exitCode)
        reactor.stop()


reactor.spawnProcess(Ask(), sys.argv[1], [sys.argv[1], "--stdio"])
reactor.run()
