"""IRC client on Twisted's words that joins #test, tells what happens to it, and quits when it is told to.
Usage: twisted_irc_client.py HOST PORT"""

import sys

from twisted.internet import protocol, reactor
from twisted.words.protocols import irc


def tell(*what):
    print(*what, flush=True)


class Client(irc.IRCClient):
    nickname = "twisty"
    versionName = "twisty"
    versionNum = "1"
    versionEnv = "here"

    def signedOn(self):
        tell("signed on as", self.nickname)
        self.join("#test")

    def isupport(self, options):
        tell("supported", self.supported.getFeature("NICKLEN"), self.supported.getFeature("CHANMODES")["param"])

    def joined(self, channel):
        tell("joined", channel)
        self.describe(channel, "waves")
        self.ping("server")

    def topicUpdated(self, user, channel, topic):
        tell("topic", user, channel, topic)

    def modeChanged(self, user, channel, set, modes, args):
        tell("mode", user, channel, set, modes, args)

    def userJoined(self, user, channel):
        tell("user joined", user, channel)

    def pong(self, user, seconds):
        tell("pong", user)

    def privmsg(self, user, channel, message):
        tell("privmsg", user, channel, message)
        self.quit("enough")

    def connectionLost(self, reason):
        tell("lost")
        reactor.stop()


factory = protocol.ClientFactory()
factory.protocol = Client
reactor.connectTCP(sys.argv[1], int(sys.argv[2]), factory)
reactor.run()
