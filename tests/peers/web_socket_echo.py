"""Web socket client by Autobahn: sends a line, and then back what comes. Usage: web_socket_echo.py PORT LINE"""

import sys

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor


class Echo(WebSocketClientProtocol):
    def onOpen(self):
        self.sendMessage(sys.argv[2].encode() + b"\n", isBinary=True)

    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary=True)

    def onClose(self, wasClean, code, reason):
        print("clean" if wasClean else "unclean", code, flush=True)
        reactor.stop()


factory = WebSocketClientFactory("ws://127.0.0.1:%s/" % sys.argv[1])
factory.protocol = Echo
reactor.connectTCP("127.0.0.1", int(sys.argv[1]), factory)
reactor.run()
