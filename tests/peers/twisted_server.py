"""Time server on Twisted: any number of clients, a stamp for every chunk that comes.

Usage: twisted_server.py [HOST] [PORT]
"""

import sys
import time

from twisted.internet import protocol, reactor


class Stamp(protocol.Protocol):
    def connectionMade(self):
        self.client = self.transport.getPeer().host
        print("...connected from:", self.client, flush=True)

    def dataReceived(self, data):
        print("...received from [%s]\n\t%r" % (self.client, data), flush=True)
        self.transport.write(b"[%s] %s" % (time.ctime().encode(), data))


host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

listening = reactor.listenTCP(port, protocol.Factory.forProtocol(Stamp), interface=host)
print("waiting for connection...", "%s:%d" % (listening.getHost().host, listening.getHost().port), flush=True)
reactor.run()
