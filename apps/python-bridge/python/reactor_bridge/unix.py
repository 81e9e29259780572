"""UNIX sockets, as TCP in ``reactor_bridge.tcp``, with the descriptors that they carry."""

import os
import socket

from zope.interface import implementer

from twisted.internet import interfaces, unix
from twisted.internet.address import UNIXAddress
from twisted.python import lockfile, log
from twisted.internet import error

from reactor_bridge import tcp


@implementer(interfaces.IUNIXTransport)
class _CarriesDescriptors:
    """The half of a transport that sends and receives descriptors."""

    def sendFileDescriptor(self, descriptor):
        self._send_file_descriptor(descriptor)

    def _fileDescriptorReceived(self, descriptor):
        if interfaces.IFileDescriptorReceiver.providedBy(self.protocol):
            self.protocol.fileDescriptorReceived(descriptor)
            return
        log.msg(
            format=(
                "%(protocolName)s (on %(hostAddress)r) does not provide IFileDescriptorReceiver; "
                "closing file descriptor received (from %(peerAddress)r)."
            ),
            hostAddress=self.getHost(),
            peerAddress=self.getPeer(),
            protocolName=self._getLogPrefix(self.protocol),
        )
        os.close(descriptor)

    # There is none on such a socket; as in Twisted, what asks for it is not an error.

    def getTcpNoDelay(self):
        return False

    def setTcpNoDelay(self, enabled):
        pass


class Server(_CarriesDescriptors, tcp.Server):
    @property
    def hostname(self):
        return self.client

    def logPrefix(self):
        if self.server is None:
            return f"{self.protocol.__class__.__name__},{self.sessionno},{os.fsdecode(self._host() or b'')}"
        return super().logPrefix()

    def getHost(self):
        return UNIXAddress(self._host())

    def getPeer(self):
        return UNIXAddress(self.client or None)

    def __repr__(self):
        return f"<{self.protocol.__class__.__name__} #{self.sessionno} on {os.fsdecode(self._host() or b'')}>"


class Port(tcp.NativePort, unix.Port):
    transport = Server


class Client(_CarriesDescriptors, tcp.BaseClient):
    addressFamily = socket.AF_UNIX

    def __init__(self, path, connector, reactor, checkPID):
        path = UNIXAddress(path).name
        self.connector = connector
        self.realAddress = self.addr = path
        if checkPID and not lockfile.isLocked(path + b".lock"):
            self._finishInit(None, None, error.BadFileError(path), reactor)
        self._finishInit(self.doConnect, self.createInternetSocket(), None, reactor)

    def getHost(self):
        return UNIXAddress(None)

    def getPeer(self):
        return UNIXAddress(self.addr)


class Connector(unix.Connector):
    def _makeTransport(self):
        return Client(self.address, self, self.reactor, self.checkPID)


def adopt(reactor, descriptor, factory):
    """The transport of a socket that is connected already."""
    with socket.fromfd(descriptor, socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        protocol = factory.buildProtocol(UNIXAddress(connected.getsockname()))
        if protocol is None:
            return None
        server = Server(protocol, connected.getpeername(), None, 0, reactor)
        reactor._loop.adopt(connected.fileno(), server)
    return server
