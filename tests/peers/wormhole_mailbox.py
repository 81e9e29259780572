"""Mailbox server of magic-wormhole, through which its clients find each other. Usage: wormhole_mailbox.py"""

from twisted.internet import reactor
from wormhole_mailbox_server.database import create_channel_db
from wormhole_mailbox_server.server import make_server
from wormhole_mailbox_server.web import make_web_server

server = make_server(create_channel_db(":memory:"))
listening = reactor.listenTCP(0, make_web_server(server, False), interface="127.0.0.1")
print("listening on 127.0.0.1:%d" % listening.getHost().port, flush=True)
reactor.run()
