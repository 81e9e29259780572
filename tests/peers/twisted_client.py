"""Prompting client on Twisted: sends a line without its newline, prints the next chunk that comes.

It waits for its user inside the callbacks, as the tutorial's does. Usage: twisted_client.py [HOST] [PORT]
"""

import sys

from twisted.internet import protocol, reactor


class Prompt(protocol.Protocol):
    def connectionMade(self):
        self.ask()

    def dataReceived(self, data):
        print(data.decode(), flush=True)
        self.ask()

    def connectionLost(self, reason):
        reactor.stop()

    def ask(self):
        text = input("> ")
        if text:
            print("...sending %s..." % text, flush=True)
            self.transport.write(text.encode())
        else:
            self.transport.loseConnection()


class Once(protocol.ClientFactory):
    protocol = Prompt

    def clientConnectionFailed(self, connector, reason):
        print(reason.getErrorMessage(), file=sys.stderr)
        reactor.stop()


host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

reactor.connectTCP(host, port, Once())
reactor.run()
