"""TCP: Twisted's own code opens sockets and connects them; from then on the native half moves the bytes."""

import socket

from zope.interface import implementer

from twisted.internet import error, interfaces, tcp
from twisted.internet.abstract import _LogOwner
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.protocol import Protocol
from twisted.python import log
from twisted.python.failure import Failure

from reactor_bridge._native import Stream

DONE = Failure(error.ConnectionDone())
LOST = Failure(error.ConnectionLost())

#: What a TLS layer does in place of the transport that it was started on.
_OF_TLS = ("write", "writeSequence", "loseConnection", "registerProducer", "unregisterProducer")


@implementer(
    interfaces.ITCPTransport,
    interfaces.ITLSTransport,
    interfaces.ISystemHandle,
    interfaces.IPushProducer,
    interfaces.IConsumer,
    interfaces.IHalfCloseableDescriptor,
    interfaces.IReadWriteDescriptor,
)
class Connection(_LogOwner, Stream):
    """A transport whose bytes the native half moves."""

    TLS = False
    _handle = None
    _no_delay = None
    #: The socket while Twisted connects it.
    _connecting = None

    def __init__(self, skt, protocol, reactor):
        self.reactor = reactor
        self._connecting = skt
        self.protocol = protocol

    # Being told.

    def _failed(self, exception):
        """Python code let an exception through: it is logged, and is the reason of the end."""
        failure = Failure(exception)
        log.err(failure)
        self.connectionLost(failure)

    def _lost(self, kind, message):
        if kind == "done":
            reason = DONE
        elif kind == "aborted":
            reason = Failure(error.ConnectionAborted())
        elif kind == "overrun":
            reason = Failure(error.FileDescriptorOverrun())
        else:
            reason = Failure(error.ConnectionLost(message)) if message else LOST
        self.connectionLost(reason)

    def connectionLost(self, reason):
        resets = reason.check(error.ConnectionAborted) is not None
        if not self._end(resets or (self.reactor.bounded and not reason.check(error.ConnectionDone))):
            return
        self.reactor._natives.discard(self)
        if self._handle is not None:
            self._handle.close()
            self._handle = None
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(reason)

    def _readConnectionLost(self):
        """The peer has ended its stream. Whether this side writes on."""
        protocol = interfaces.IHalfCloseableProtocol(self.protocol, None)
        if protocol is None:
            self.connectionLost(DONE)
            return False
        protocol.readConnectionLost()
        return True

    def readConnectionLost(self, reason):
        self._readConnectionLost()

    def _writeConnectionLost(self):
        protocol = interfaces.IHalfCloseableProtocol(self.protocol, None)
        if protocol is not None:
            protocol.writeConnectionLost()

    def _fileDescriptorReceived(self, descriptor):
        raise NotImplementedError("only UNIX sockets carry descriptors")

    def doRead(self):
        """Nothing: the native half reads. Twisted's loop may still ask when it has just connected the socket."""

    doWrite = doRead

    # Being asked.

    def stopProducing(self):
        self.loseConnection()

    def stopConsuming(self):
        self.unregisterProducer()
        self.loseConnection()

    def startReading(self):
        self.resumeProducing()

    def stopReading(self):
        self.pauseProducing()

    def startTLS(self, contextFactory, normal=True):
        # It needs pyOpenSSL, which programs without TLS may not have.
        from twisted.internet._newtls import startTLS

        startTLS(self, contextFactory, normal, Stream)
        for name in _OF_TLS:
            setattr(self, name, getattr(self.protocol, name))

    def getHandle(self):
        """A duplicate of the socket, which is closed with the connection."""
        if self._connecting is not None:
            return self._connecting
        if self._handle is None:
            self._handle = socket.socket(fileno=self._clone_socket())
        return self._handle

    @property
    def socket(self):
        return self.getHandle()

    @property
    def logstr(self):
        return "Uninitialized" if self.protocol is None else self.logPrefix()

    def fileno(self):
        return -1 if self.disconnected or not self._attached else self.getHandle().fileno()

    def getTcpNoDelay(self):
        if self._no_delay is None:
            self._no_delay = bool(self.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return self._no_delay

    def setTcpNoDelay(self, enabled):
        # Without a handle: servers of HTTP call this for each connection.
        self._no_delay = bool(enabled)
        self._set_no_delay(self._no_delay)

    def getTcpKeepAlive(self):
        return bool(self.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled):
        self.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(enabled))


class Server(tcp._TLSServerMixin, Connection):
    """A connection that a port has accepted, or that was adopted."""

    _addressType = None
    _base = Connection

    def __init__(self, protocol, client, server, sessionno, reactor):
        self.reactor = reactor
        self.protocol = protocol
        self.client = client
        self.server = server
        self.sessionno = sessionno
        self.connected = True
        reactor._natives.add(self)

    @property
    def hostname(self):
        return _with_scope(self.client)[0]

    def logPrefix(self):
        return f"{self._getLogPrefix(self.protocol)},{self.sessionno},{self.hostname}"

    def __repr__(self):
        where = self.server._realPortNumber if self.server is not None else self._host()[1]
        return f"<{self.protocol.__class__.__name__} #{self.sessionno} on {where}>"

    def _build(self):
        """An adopted connection has its protocol; None if it was given up meanwhile."""
        return self if self.connected else None

    def _made(self):
        try:
            self.protocol.makeConnection(self)
        except Exception:
            # As in Twisted, the connection stays.
            log.err()

    def getHost(self):
        return address_of(self._host())

    def getPeer(self):
        return address_of(self.client)


def address_of(parts):
    """The address that the socket calls ``(host, port, …)``."""
    kind = IPv6Address if len(parts) == 4 else IPv4Address
    return kind("TCP", *_with_scope(parts))


def _with_scope(parts):
    """The same, with the name of the interface behind a link-local host, as Twisted has it."""
    if len(parts) == 4 and parts[3]:
        return (f"{parts[0]}%{socket.if_indextoname(parts[3])}", *parts[1:])
    return parts


class NativePort:
    """What Twisted's ports have in place of their loop of ``accept``."""

    transport = None
    _native = None
    _reading = False

    def startReading(self):
        self._reading = True
        if self._native is None:
            self._native = self.reactor._loop.listen(self.socket.fileno(), self)
            self.reactor._natives.add(self)
        else:
            self._native.resume()

    def stopReading(self):
        self._reading = False
        if self._native is not None:
            self._native.pause()

    def connectionLost(self, reason):
        if self._native is not None:
            self._native.stop()
            self._native = None
        self.reactor._natives.discard(self)
        super().connectionLost(reason)

    def _accepted(self, peer):
        """The transport for a client, or None to refuse it."""
        try:
            protocol = self.factory.buildProtocol(self._buildAddr(peer))
        except Exception:
            log.err()
            return None
        if protocol is None:
            return None
        session, self.sessionno = self.sessionno, self.sessionno + 1
        return self.transport(protocol, peer, self, session, self.reactor)


class Port(NativePort, tcp.Port):
    transport = Server

    def _buildAddr(self, peer):
        return address_of(peer)


class BaseClient(tcp._BaseBaseClient, tcp._TLSClientMixin, Connection):
    """A connection that this side makes: Twisted's code until it is established, the native half from then on."""

    _base = Connection
    _commonConnection = Connection

    createInternetSocket = tcp.BaseClient.createInternetSocket
    doConnect = tcp.BaseClient.doConnect

    # While it connects, it is watched as any selectable.

    def startReading(self):
        if self._connecting is None:
            self.resumeProducing()
        else:
            self.reactor.addReader(self)

    def stopReading(self):
        if self._connecting is None:
            self.pauseProducing()
        else:
            self.reactor.removeReader(self)

    def startWriting(self):
        self.reactor.addWriter(self)

    def stopWriting(self):
        self.reactor.removeWriter(self)

    def fileno(self):
        return super().fileno() if self._connecting is None else self._connecting.fileno()

    def _stopReadingAndWriting(self):
        if self._connecting is not None:
            self.stopReading()
            self.stopWriting()

    def _closeSocket(self, orderly):
        self._connecting.close()

    def _collectSocketDetails(self):
        self._connecting = None

    def _connectDone(self):
        self.reactor._loop.adopt(self._connecting.fileno(), self)

    def _build(self):
        """Build the protocol. None if the attempt was given up meanwhile."""
        if not hasattr(self, "connector"):
            return None
        try:
            self.protocol = self.connector.buildProtocol(self.getPeer())
        except Exception:
            log.err()
            self.failIfNotConnected(error.ConnectError(string=Failure()))
            return None
        self._connecting.close()
        self._connecting = None
        self.connected = True
        self.reactor._natives.add(self)
        return self

    def _made(self):
        if self.protocol is None:
            # The factory has refused: as in Twisted, the connection is made and lost.
            self.protocol = Protocol()
            self.loseConnection()
        else:
            self.protocol.makeConnection(self)

    def logPrefix(self):
        return f"{self._getLogPrefix(self.protocol)},client"


class Client(tcp._BaseTCPClient, BaseClient):
    """A TCP connection that this side makes."""

    def getHost(self):
        parts = self._host() if self._connecting is None else self._connecting.getsockname()
        return address_of(parts)


class Connector(tcp.Connector):
    def _makeTransport(self):
        return Client(self.host, self.port, self.bindAddress, self, self.reactor)


def adopt(reactor, descriptor, family, factory):
    """The transport of a socket that is connected already."""
    with socket.fromfd(descriptor, family, socket.SOCK_STREAM) as connected:
        peer = connected.getpeername()
        protocol = factory.buildProtocol(address_of(peer))
        if protocol is None:
            return None
        server = Server(protocol, peer, None, peer[1], reactor)
        reactor._loop.adopt(connected.fileno(), server)
    return server
