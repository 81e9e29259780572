"""IRC client on pydle that logs in by SASL, joins #lobby, tells what happens to it, and quits when it is told to.
Usage: pydle_client.py HOST PORT ACCOUNT PASSWORD"""

import asyncio
import sys

import pydle


def tell(*what):
    print(*what, flush=True)


class Client(pydle.Client):
    async def on_connect(self):
        await super().on_connect()
        await self.join("#lobby")

    async def on_join(self, channel, user):
        await super().on_join(channel, user)
        tell("joined", channel, user)
        if user == self.nickname:
            await self.message(channel, "grüße")

    async def on_message(self, target, source, message):
        await super().on_message(target, source, message)
        if source != self.nickname:
            who = await self.whois(source)
            tell("message", target, source, message, "from", who["realname"])
            await self.quit("enough")

    async def on_disconnect(self, expected):
        tell("lost, as expected" if expected else "lost")
        asyncio.get_running_loop().stop()


host, port, account, password = sys.argv[1:]
client = Client("pydle", sasl_username=account, sasl_password=password, sasl_identity="")
client.run(host, int(port), tls=False)
