"""Twisted on its epoll reactor. Usage: twisted_server.py echo|lines|datagrams, or twisted_server.py forward HOST:PORT"""
import sys

from twisted.internet import epollreactor

epollreactor.install()
from twisted.internet import protocol, reactor  # noqa: E402
from twisted.protocols.basic import LineReceiver  # noqa: E402
from twisted.protocols.portforward import ProxyFactory  # noqa: E402


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        # While something is unsent nothing is read: the transport is its own producer.
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)


class Lines(LineReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self.transport, True)

    def lineReceived(self, line):
        self.sendLine(line)


class Datagrams(protocol.DatagramProtocol):
    def datagramReceived(self, data, address):
        self.transport.write(data, address)


role = sys.argv[1]
if role == "datagrams":
    port = reactor.listenUDP(0, Datagrams(), interface="127.0.0.1")
else:
    if role == "forward":
        host, _, number = sys.argv[2].partition(":")
        factory = ProxyFactory(host, int(number))
    else:
        factory = protocol.Factory.forProtocol({"echo": Echo, "lines": Lines}[role])
    port = reactor.listenTCP(0, factory, backlog=4096, interface="127.0.0.1")
address = port.getHost()
reactor.callWhenRunning(print, f"ready {address.host}:{address.port}", flush=True)
reactor.run()
