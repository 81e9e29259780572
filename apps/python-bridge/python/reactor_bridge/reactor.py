"""The reactor: Twisted's own base class, over the native loop."""

import errno
import socket

from zope.interface import implementer

from twisted.internet import error
from twisted.internet.base import _DEFAULT_DELAYED_CALL_LOGGING_HANDLER, DelayedCall
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase, _ContinuousPolling, _PollLikeMixin
from twisted.logger import Logger

from reactor_bridge import tcp, udp, unix
from reactor_bridge._native import EventLoop
from reactor_bridge.log_context import with_lazy_context

_log = Logger(namespace="reactor_bridge.reactor")


@implementer(IReactorFDSet)
class RustReactor(PosixReactorBase, _PollLikeMixin):
    """TCP, UDP, UNIX sockets, timers and calls from threads by the native loop; the rest by Twisted on its watching."""

    # For _PollLikeMixin: poll's numbers.
    _POLL_IN = 1
    _POLL_OUT = 4
    _POLL_DISCONNECTED = 8 | 16

    def __init__(self, bounded=False, loop=None):
        self.bounded = bounded or loop is not None
        self._loop = EventLoop(bounded) if loop is None else loop
        self._waker = self._loop.waker(self._woken)
        #: Ports and connections of the native half.
        self._natives = set()
        self._timers = {}
        #: Selectables with their watches.
        self._watches = {}
        self._reads = set()
        self._writes = set()
        self._continuousPolling = _ContinuousPolling(self)
        super().__init__()

    # The loop.

    def installWaker(self):
        """The native loop is woken without a pipe."""

    def wakeUp(self):
        self._waker.wake()

    def _woken(self):
        self.runUntilCurrent()

    def stop(self):
        super().stop()
        self.wakeUp()

    def crash(self):
        super().crash()
        self._loop.interrupt()

    def mainLoop(self):
        with_lazy_context(self._mainLoop)
        _log.info("Main loop terminated.")

    def _mainLoop(self):
        while self._started:
            # What threads have asked for has its turn among the timed calls.
            self.wakeUp()
            self._loop.run()

    def doIteration(self, delay):
        with_lazy_context(self._loop.run_for, 0.0 if delay is None else delay)

    # IReactorTime

    def callLater(self, delay, callable, *args, **kw):
        assert delay >= 0, f"{delay} is not greater than or equal to 0 seconds"
        due = self.seconds() + delay
        call = DelayedCall(due, callable, args, kw, self._forget, self._moveSooner, self.seconds)
        self._timers[call] = self._loop.call_later(delay, self._due, call)
        return call

    def getDelayedCalls(self):
        return list(self._timers)

    def _forget(self, call):
        timer = self._timers.pop(call, None)
        if timer is not None:
            timer.cancel()

    def _moveSooner(self, call):
        timer = self._timers.get(call)
        if timer is not None:
            timer.reset(call.time - self.seconds())

    def _due(self, call):
        if call.delayed_time > 0:
            # It was put off, which is made good only now.
            call.activate_delay()
            self._timers[call] = self._loop.call_later(call.time - self.seconds(), self._due, call)
            return
        del self._timers[call]
        with _log_handler(call):
            call.called = 1
            call.func(*call.args, **call.kw)

    # IReactorFDSet

    def addReader(self, reader):
        if reader in self._natives:
            reader.startReading()
            return
        self._watch(reader, self._reads, self._continuousPolling.addReader)

    def addWriter(self, writer):
        self._watch(writer, self._writes, self._continuousPolling.addWriter)

    def removeReader(self, reader):
        if reader in self._natives:
            reader.stopReading()
            return
        self._continuousPolling.removeReader(reader)
        self._unwatch(reader, self._reads)

    def removeWriter(self, writer):
        self._continuousPolling.removeWriter(writer)
        self._unwatch(writer, self._writes)

    def getReaders(self):
        return list(self._reads) + self._reading_natives() + self._continuousPolling.getReaders()

    def getWriters(self):
        return list(self._writes) + self._continuousPolling.getWriters()

    def removeAll(self):
        watched = self._removeAll(self._reads, self._writes)
        # As in Twisted, without those that are paused.
        natives = self._reading_natives()
        for native in natives:
            native.stopReading()
            self._natives.discard(native)
        return watched + natives + self._continuousPolling.removeAll()

    def _reading_natives(self):
        return [native for native in self._natives if native._reading]

    def _watch(self, selectable, wanting, poll_continuously):
        if selectable in wanting:
            return
        if selectable not in self._watches:
            try:
                watch = self._loop.watch(selectable.fileno(), self._ready, selectable)
            except OSError as exception:
                if exception.errno not in (None, errno.EINVAL, errno.EPERM) or selectable.fileno() < 0:
                    raise
                poll_continuously(selectable)
                return
            self._watches[selectable] = watch
        wanting.add(selectable)
        self._set_interest(selectable)

    def _unwatch(self, selectable, wanting):
        if selectable in wanting:
            wanting.discard(selectable)
            self._set_interest(selectable)

    def _set_interest(self, selectable):
        reads, writes = selectable in self._reads, selectable in self._writes
        if reads or writes:
            self._watches[selectable].set_interest(reads, writes)
        else:
            self._watches.pop(selectable).stop()

    def _ready(self, selectable, events):
        self._doReadOrWrite(selectable, selectable, events)

    # IReactorTCP

    def listenTCP(self, port, factory, backlog=50, interface=""):
        p = tcp.Port(port, factory, backlog, interface, self)
        p.startListening()
        return p

    def connectTCP(self, host, port, factory, timeout=30, bindAddress=None):
        c = tcp.Connector(host, port, factory, timeout, bindAddress, self)
        c.connect()
        return c

    def _carry(self, factory, peer):
        """The transport of a connection of a port in Rust, or None to refuse it."""
        protocol = factory.buildProtocol(tcp.address_of(peer))
        return protocol and tcp.Server(protocol, peer, None, 0, self)

    # IReactorUDP, IReactorMulticast

    def listenUDP(self, port, protocol, interface="", maxPacketSize=8192):
        p = udp.Port(port, protocol, interface, maxPacketSize, self)
        p.startListening()
        return p

    def listenMulticast(self, port, protocol, interface="", maxPacketSize=8192, listenMultiple=False):
        p = udp.MulticastPort(port, protocol, interface, maxPacketSize, self, listenMultiple)
        p.startListening()
        return p

    # IReactorUNIX

    def listenUNIX(self, address, factory, backlog=50, mode=0o666, wantPID=0):
        p = unix.Port(address, factory, backlog, mode, self, wantPID)
        p.startListening()
        return p

    def connectUNIX(self, address, factory, timeout=30, checkPID=0):
        c = unix.Connector(address, factory, timeout, self, checkPID)
        c.connect()
        return c

    # IReactorSocket

    def adoptStreamPort(self, fileDescriptor, addressFamily, factory):
        self._check_family(addressFamily)
        if addressFamily == socket.AF_UNIX:
            p = unix.Port._fromListeningDescriptor(self, fileDescriptor, factory)
        else:
            p = tcp.Port._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory)
        p.startListening()
        return p

    def adoptStreamConnection(self, fileDescriptor, addressFamily, factory):
        self._check_family(addressFamily)
        if addressFamily == socket.AF_UNIX:
            return unix.adopt(self, fileDescriptor, factory)
        return tcp.adopt(self, fileDescriptor, addressFamily, factory)

    def adoptDatagramPort(self, fileDescriptor, addressFamily, protocol, maxPacketSize=8192):
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            raise error.UnsupportedAddressFamily(addressFamily)
        p = udp.Port._fromListeningDescriptor(self, fileDescriptor, addressFamily, protocol, maxPacketSize=maxPacketSize)
        p.startListening()
        return p

    def _check_family(self, family):
        if family not in self._supportedAddressFamilies:
            raise error.UnsupportedAddressFamily(family)


def _log_handler(call):
    """What logs the exception of a timed call, with the place it was requested at if that is known."""
    if not call.creator:
        return _DEFAULT_DELAYED_CALL_LOGGING_HANDLER
    creator = "".join(call.creator).rstrip().replace("\n", "\n C:")
    previous = f"\n C: from a DelayedCall created here:\n C:{creator}\n"
    return _log.failuresHandled("while handling timed call {previous}", previous=previous)


def install(bounded=False, loop=None):
    """See ``reactor_bridge.install``."""
    reactor = RustReactor(bounded, loop)
    installReactor(reactor)
    if loop is not None:
        reactor.startRunning(installSignalHandlers=False)
    return reactor
