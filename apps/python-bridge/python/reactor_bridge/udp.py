"""UDP: Twisted's own code opens sockets and sets their options; the native half moves the datagrams."""

from twisted.internet import udp
from twisted.python import log
from twisted.python.failure import Failure

from reactor_bridge._native import DatagramPort


class Port(DatagramPort, udp.Port):
    def _bindSocket(self):
        super()._bindSocket()
        self.reactor._loop.receive(self.socket.fileno(), self)
        self.reactor._natives.add(self)

    def _write_otherwise(self, datagram, addr):
        """What the native half does not send: odd forms of addresses and data, and everything that is an error."""
        udp.Port.write(self, datagram, addr)

    def connect(self, host, port):
        super().connect(host, port)
        peer = self.socket.getpeername()
        # A port that is connected to itself stays Twisted's.
        if peer != self.socket.getsockname():
            self._connect(peer[0].partition("%")[0], peer[1], peer[3] if len(peer) == 4 else 0)

    def _loseConnection(self):
        self.stopReading()
        if self.connected:
            self._stop()

    def _closed(self):
        """The address is free again, which is what ``stopListening`` promises."""
        if self.connected:
            self.connectionLost()

    def connectionLost(self, reason=None):
        self._stop()
        self.reactor._natives.discard(self)
        super().connectionLost(reason)

    def _failed(self, exception):
        """Python code let an exception through: as in Twisted, the port goes on."""
        log.err(Failure(exception))


class MulticastPort(Port, udp.MulticastPort):
    """The same with groups, by Twisted's own code, too."""
