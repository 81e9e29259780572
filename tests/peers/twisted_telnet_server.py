"""Telnet server on Twisted's conch that asks for a name and, hidden, for a password, and tells them with the size of the
window. Usage: twisted_telnet_server.py [HOST] [PORT]"""

import struct
import sys

from twisted.conch.telnet import ECHO, NAWS, StatefulTelnetProtocol, TelnetTransport
from twisted.internet import protocol, reactor


class Console(StatefulTelnetProtocol):
    state = "Name"
    size = None

    def enableLocal(self, option):
        return option == ECHO

    def disableLocal(self, option):
        pass

    def enableRemote(self, option):
        return option == NAWS

    def connectionMade(self):
        self.transport.negotiationMap[NAWS] = self.resized
        self.transport.do(NAWS)
        self.transport.write(b"name: ")

    def resized(self, data):
        self.size = struct.unpack("!HH", b"".join(data))

    def telnet_Name(self, line):
        self.name = line.strip()
        self.transport.will(ECHO)
        self.transport.write(b"password: ")
        return "Password"

    def telnet_Password(self, line):
        told = b"%s %s %d %d" % (self.name, line.strip(), *self.size)
        self.transport.wont(ECHO).addBoth(lambda _: self.transport.loseConnection())
        self.transport.write(b"\n" + told + b" \xff\n")
        return "Discard"

    def telnet_Discard(self, line):
        pass


host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 6023

factory = protocol.Factory()
factory.protocol = lambda: TelnetTransport(Console)
listening = reactor.listenTCP(port, factory, interface=host)
address = listening.getHost()
print("waiting for connection... %s:%d" % (address.host, address.port), flush=True)
reactor.run()
