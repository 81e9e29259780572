"""Says hello over TLS on Twisted, and ends with its echo: from the first byte on, or with the word starttls after having asked
for that. Prints what it receives, and how the connection ends.

Usage: twisted_tls_client.py HOST PORT AUTHORITY NAME [starttls]
"""

import sys

from twisted.internet import endpoints, protocol, reactor, ssl
from twisted.protocols import basic

host, port, authority, name, *mode = sys.argv[1:]
with open(authority, "rb") as file:
    options = ssl.optionsForClientTLS(name, ssl.Certificate.loadPEM(file.read()))


class Client(basic.LineReceiver):
    delimiter = b"\n"

    def connectionMade(self):
        self.sendLine(b"STARTTLS" if mode else b"hello")

    def lineReceived(self, line):
        print(line.decode(), flush=True)
        if line == b"READY":
            self.transport.startTLS(options)
            self.sendLine(b"hello")
        else:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        print(reason.type.__name__, flush=True)
        reactor.stop()


endpoint = endpoints.TCP4ClientEndpoint(reactor, host, int(port))
if not mode:
    endpoint = endpoints.wrapClientTLS(options, endpoint)
endpoint.connect(protocol.Factory.forProtocol(Client)).addErrback(lambda failure: print(failure.value, flush=True))
reactor.run()
