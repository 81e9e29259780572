"""UNIX sockets on Twisted, with descriptors.

Usage: twisted_unix.py serve|ask PATH

It sends the read end of a pipe with "here" written into it, and the byte "x"; when a descriptor and a byte have come,
it prints what the descriptor says, and ends.
"""

import os
import sys

from twisted.internet import interfaces, protocol, reactor
from zope.interface import implementer


@implementer(interfaces.IFileDescriptorReceiver)
class Exchange(protocol.Protocol):
    def connectionMade(self):
        reading, writing = os.pipe()
        os.write(writing, b"here")
        os.close(writing)
        self.transport.sendFileDescriptor(reading)
        self.transport.write(b"x")

    def fileDescriptorReceived(self, descriptor):
        print("descriptor:", os.read(descriptor, 100).decode(), flush=True)
        os.close(descriptor)

    def dataReceived(self, data):
        print("data:", data.decode(), flush=True)
        self.transport.loseConnection()

    def connectionLost(self, reason):
        reactor.stop()


mode, path = sys.argv[1:]
factory = protocol.Factory.forProtocol(Exchange)
if mode == "serve":
    reactor.listenUNIX(path, factory, wantPID=True)
    print("waiting for connection...", path, flush=True)
else:
    client = protocol.ClientFactory()
    client.protocol = Exchange
    reactor.connectUNIX(path, client, checkPID=True)
reactor.run()
