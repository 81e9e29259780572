"""Finger server on Twisted that knows root, and shows how it was asked. Usage: twisted_finger.py [HOST] [PORT]"""

import sys

from twisted.internet import protocol, reactor
from twisted.protocols import finger


class Finger(finger.Finger):
    def getUser(self, slash_w, user):
        if user != b"root":
            return finger.Finger.getUser(self, slash_w, user)
        self.transport.write(b"Login: root\nVerbose: %d\n" % slash_w)
        self.transport.loseConnection()


host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 7979

listening = reactor.listenTCP(port, protocol.Factory.forProtocol(Finger), interface=host)
address = listening.getHost()
print("waiting for connection... %s:%d" % (address.host, address.port), flush=True)
reactor.run()
