"""IRC server on Twisted's words, with accounts for polly and ann whose password is "secret", and channels that are made when
they are asked for. Usage: twisted_irc_server.py [HOST] [PORT]"""

import sys

from twisted.cred import checkers, portal
from twisted.internet import reactor
from twisted.words import service

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 6667

realm = service.InMemoryWordsRealm("words")
realm.createGroupOnRequest = True
accounts = checkers.InMemoryUsernamePasswordDatabaseDontUse()
for name in ["polly", "ann"]:
    # It is asked for texts.
    accounts.addUser(name, "secret")
factory = service.IRCFactory(realm, portal.Portal(realm, [accounts]))
listening = reactor.listenTCP(port, factory, interface=host)
address = listening.getHost()
print("waiting for connection... %s:%d" % (address.host, address.port), flush=True)
reactor.run()
