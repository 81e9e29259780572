"""A server to be measured: ``server.py REACTOR KIND``. It prints its port."""

import sys


def install(reactor):
    if reactor == "uvloop":
        import uvloop
        from twisted.internet import asyncioreactor

        asyncioreactor.install(uvloop.new_event_loop())
    elif reactor == "epoll":
        from twisted.internet import epollreactor

        epollreactor.install()
    else:
        from reactor_bridge import install

        install()


def factory_of(kind, reactor):
    from twisted.internet import protocol
    from twisted.protocols import basic

    class Echo(protocol.Protocol):
        def dataReceived(self, data):
            self.transport.write(data)

    if kind == "lines":
        if reactor == "rust, framing by Rust":
            from reactor_bridge.receivers import LineReceiver
        else:
            LineReceiver = basic.LineReceiver

        class Lines(LineReceiver):
            def lineReceived(self, line):
                if line == b"end":
                    self.sendLine(b"ok")

        return protocol.Factory.forProtocol(Lines)
    if kind == "web":
        from twisted.web import resource, server

        class Page(resource.Resource):
            isLeaf = True

            def render_GET(self, request):
                return b"<p>hello</p>"

        return server.Site(Page())
    return protocol.Factory.forProtocol(Echo)


def main(reactor_name, kind):
    install(reactor_name)
    factory = factory_of(kind, reactor_name)
    from twisted.internet import reactor

    port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
