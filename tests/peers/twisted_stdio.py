"""A server on Twisted's StandardIO: answers in capitals what comes on standard input, until that ends."""

from twisted.internet import protocol, reactor, stdio


class Capitals(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())

    def connectionLost(self, reason):
        reactor.stop()


stdio.StandardIO(Capitals())
reactor.run()
