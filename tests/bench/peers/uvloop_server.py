"""asyncio's protocols on uvloop. Usage: uvloop_server.py echo|datagrams"""
import asyncio
import sys

import uvloop


class Echo(asyncio.Protocol):
    __slots__ = ("transport",)

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def main(role):
    loop = asyncio.get_running_loop()
    if role == "datagrams":
        transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
        address = transport.get_extra_info("sockname")
    else:
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
        address = server.sockets[0].getsockname()
    print("ready %s:%d" % address[:2], flush=True)
    await asyncio.Event().wait()


uvloop.run(main(sys.argv[1]))
