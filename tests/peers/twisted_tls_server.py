"""Echoes lines over TLS on Twisted: from the first byte on, or with the word starttls once a client asks for that.

Usage: twisted_tls_server.py HOST PORT CERTIFICATE KEY [starttls]
"""

import sys

from twisted.internet import endpoints, protocol, reactor, ssl
from twisted.protocols import basic

host, port, certificate, key, *mode = sys.argv[1:]
with open(certificate, "rb") as chain, open(key, "rb") as secret:
    options = ssl.PrivateCertificate.loadPEM(chain.read() + secret.read()).options()


class Echo(basic.LineReceiver):
    delimiter = b"\n"

    def lineReceived(self, line):
        if mode and line == b"STARTTLS":
            self.sendLine(b"READY")
            self.transport.startTLS(options)
        else:
            self.sendLine(line)

    def connectionLost(self, reason):
        print(reason.type.__name__, flush=True)


if mode:
    endpoint = endpoints.TCP4ServerEndpoint(reactor, int(port), interface=host)
else:
    endpoint = endpoints.SSL4ServerEndpoint(reactor, int(port), options, interface=host)


def listening(port):
    address = port.getHost()
    print("waiting for connection... %s:%d" % (address.host, address.port), flush=True)


endpoint.listen(protocol.Factory.forProtocol(Echo)).addCallback(listening)
reactor.run()
