"""Telnet client on Twisted's conch that logs in to the example telnet_console, and prints what it gets and what is
negotiated. Usage: twisted_telnet_client.py HOST PORT"""

import struct
import sys

from twisted.conch.telnet import ECHO, NAWS, TelnetProtocol, TelnetTransport
from twisted.internet import protocol, reactor

ANSWERS = [(b"login: ", b"guest\n"), (b"Password: ", b"welcome\n"), (b"> ", b"window\n"), (b"> ", b"quit\n")]


class Client(TelnetProtocol):
    received = b""

    def connectionMade(self):
        self.answers = list(ANSWERS)

    def enableLocal(self, option):
        if option == NAWS:
            reactor.callLater(0, self.transport.requestNegotiation, NAWS, struct.pack("!HH", 255, 50))
        return option == NAWS

    def enableRemote(self, option):
        print("echo is on" if option == ECHO else "refused", flush=True)
        return option == ECHO

    def disableRemote(self, option):
        print("echo is off", flush=True)

    def dataReceived(self, data):
        self.received += data
        while self.answers and self.answers[0][0] in self.received:
            prompt, answer = self.answers.pop(0)
            before, self.received = self.received.split(prompt, 1)
            print(before.decode(), end="", flush=True)
            self.transport.write(answer)

    def connectionLost(self, reason):
        print(self.received.decode(), end="", flush=True)
        reactor.stop()


factory = protocol.ClientFactory()
factory.protocol = lambda: TelnetTransport(Client)
reactor.connectTCP(sys.argv[1], int(sys.argv[2]), factory)
reactor.run()
