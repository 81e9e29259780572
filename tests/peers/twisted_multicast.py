"""Member of a multicast group on Twisted: answers what comes in to its sender, and announces itself to the group.

Usage: twisted_multicast.py GROUP PORT (0: any)
"""

import sys

from twisted.internet import protocol, reactor

LOOPBACK = "127.0.0.1"


class Member(protocol.DatagramProtocol):
    def __init__(self, group):
        self.group = group

    def startProtocol(self):
        self.transport.setOutgoingInterface(LOOPBACK)
        self.transport.joinGroup(self.group, LOOPBACK).addCallback(self.joined)

    def joined(self, _):
        print("joined on", self.transport.getHost().port, flush=True)

    def datagramReceived(self, data, address):
        if data.startswith(b"announce "):
            self.transport.write(b"here I am", (self.group, int(data.split()[1])))
        else:
            self.transport.write(b"heard " + data, address)


reactor.listenMulticast(int(sys.argv[2]), Member(sys.argv[1]), listenMultiple=True)
reactor.run()
