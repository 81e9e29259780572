"""What a program sees of the bridge. Each test is a process of its own, because a process has one reactor."""

import os
import subprocess
import sys
import textwrap
import unittest

PRELUDE = """
from reactor_bridge import install
install()
from twisted.internet import protocol, reactor

def connect(port, client):
    factory = protocol.ClientFactory.forProtocol(client)
    reactor.connectTCP("127.0.0.1", port.getHost().port, factory)

def serve(server):
    factory = server if isinstance(server, protocol.Factory) else protocol.Factory.forProtocol(server)
    return reactor.listenTCP(0, factory, interface="127.0.0.1")

reactor.callLater(30, reactor.stop)
"""


def said_by(program, *arguments):
    """What a program prints, line by line."""
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


class Programs(unittest.TestCase):
    def run_program(self, text):
        return said_by(PRELUDE + textwrap.dedent(text))

    def test_an_exception_is_logged_with_its_place_and_the_peer_sees_an_orderly_end(self):
        said = self.run_program(
            """
            import sys
            from twisted.python import log
            log.startLogging(sys.stdout, setStdout=False)

            class Server(protocol.Protocol):
                def dataReceived(self, data):
                    self.transport.write(b"before")
                    raise ValueError("broken")
                def connectionLost(self, reason):
                    print("server lost", reason.type.__name__)

            class Client(protocol.Protocol):
                def connectionMade(self):
                    self.transport.write(b"question")
                def dataReceived(self, data):
                    print("client got", data)
                def connectionLost(self, reason):
                    print("client lost", reason.type.__name__)
                    reactor.stop()

            connect(serve(Server), Client)
            reactor.run()
            """
        )
        self.assertIn("server lost ValueError", said)
        self.assertIn("client got b'before'", said)
        self.assertIn("client lost ConnectionDone", said)
        self.assertTrue(any("builtins.ValueError: broken" in line for line in said), said)
        self.assertTrue(any("[Server,0,127.0.0.1]" in line for line in said), said)

    def test_output_has_no_limit_for_an_unchanged_program(self):
        said = self.run_program(
            """
            class Server(protocol.Protocol):
                def connectionMade(self):
                    self.transport.write(b"x" * (40 << 20))
                    self.transport.loseConnection()

            class Client(protocol.Protocol):
                received = 0
                def connectionMade(self):
                    self.transport.pauseProducing()
                    reactor.callLater(0.1, self.transport.resumeProducing)
                def dataReceived(self, data):
                    self.received += len(data)
                def connectionLost(self, reason):
                    print(self.received == 40 << 20, reason.type.__name__)
                    reactor.stop()

            connect(serve(Server), Client)
            reactor.run()
            """
        )
        self.assertEqual(said, ["True ConnectionDone"])

    def test_other_threads_run_while_the_reactor_waits(self):
        said = self.run_program(
            """
            import threading, time
            turns = []
            def count():
                for _ in range(1000):
                    turns.append(1)
                reactor.callFromThread(reactor.stop)
            threading.Thread(target=count).start()
            reactor.run()
            print(len(turns))
            """
        )
        self.assertEqual(said, ["1000"])

    def test_a_cycle_through_a_transport_is_collected(self):
        said = self.run_program(
            """
            import gc, weakref
            gone = []
            class Client(protocol.Protocol):
                def connectionMade(self):
                    self.myself = self
                    self.transport.extra = self.transport
                    gone.append(weakref.ref(self.transport))
                    self.transport.loseConnection()
                def connectionLost(self, reason):
                    reactor.callLater(0.05, reactor.stop)
            connect(serve(protocol.Protocol), Client)
            reactor.run()
            gc.collect()
            print(gone[0]() is None)
            """
        )
        self.assertEqual(said, ["True"])

    def test_a_stop_by_a_signal_runs_the_triggers(self):
        said = self.run_program(
            """
            import os, signal
            reactor.addSystemEventTrigger("before", "shutdown", print, "stopping")
            reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGTERM)
            reactor.run()
            print("over")
            """
        )
        self.assertEqual(said, ["stopping", "over"])

    def test_it_provides_the_interfaces_that_it_says(self):
        said = self.run_program(
            """
            from zope.interface.verify import verifyObject
            from twisted.internet import interfaces
            for name in "Core FDSet Process Socket TCP Threads Time UDP UNIX".split():
                verifyObject(getattr(interfaces, "IReactor" + name), reactor)
            print("verified")
            """
        )
        self.assertEqual(said, ["verified"])

    def test_lines_are_framed_by_rust(self):
        said = self.run_program(
            """
            from reactor_bridge.receivers import LineReceiver

            class Server(LineReceiver):
                def lineReceived(self, line):
                    self.sendLine(line.upper())
                    if line == b"bye":
                        self.transport.loseConnection()

            class Client(protocol.Protocol):
                heard = b""
                def connectionMade(self):
                    self.transport.writeSequence([b"hello\\r", b"\\nbye\\r\\n"])
                def dataReceived(self, data):
                    self.heard += data
                def connectionLost(self, reason):
                    print(self.heard)
                    reactor.stop()

            connect(serve(Server), Client)
            reactor.run()
            """
        )
        self.assertEqual(said, ["b'HELLO\\r\\nBYE\\r\\n'"])

    def test_a_handler_of_lines_sets_what_ends_the_next_line(self):
        said = self.run_program(
            """
            from reactor_bridge.receivers import LineReceiver

            class Lines(LineReceiver):
                def lineReceived(self, line):
                    print(line)
                    self.delimiter, self.MAX_LENGTH = b";", 3
                def lineLengthExceeded(self, rest):
                    print("too long", rest)

            lines = Lines()
            lines.dataReceived(b"one\\r\\ntwo;three")
            lines.dataReceived(b";four")
            """
        )
        self.assertEqual(said, ["b'one'", "b'two'", "too long b'three'", "b''", "too long b'four'"])

    def test_strings_are_framed_by_rust(self):
        said = self.run_program(
            """
            from reactor_bridge import receivers
            from twisted.internet.testing import StringTransport
            from twisted.protocols.basic import StringTooLongError

            def pausing(receiver):
                class Pausing(receiver):
                    MAX_LENGTH = 5
                    def stringReceived(self, string):
                        print(type(self).__bases__[0].__name__, string)
                        self.pauseProducing()
                strings = Pausing()
                strings.makeConnection(StringTransport())
                return strings

            class LittleEndian(receivers.Int16StringReceiver):
                structFormat = "<H"

            for receiver in (receivers.Int8StringReceiver, receivers.Int32StringReceiver, LittleEndian):
                strings = pausing(receiver)
                for string in (b"one", b"", b"three", b"too long"):
                    strings.sendString(string)
                strings.dataReceived(strings.transport.value())
                strings.dataReceived(b"more")
                strings.resumeProducing()
                strings.resumeProducing()
                print(strings.transport.disconnecting, len(strings.recvd))
                strings.resumeProducing()
                print(strings.transport.disconnecting)

            class Odd(receivers.Int32StringReceiver):
                structFormat = "!Q"

            for odd in (lambda: Odd().dataReceived(bytes(8)), lambda: pausing(receivers.Int8StringReceiver).sendString(bytes(256))):
                try:
                    odd()
                except (ValueError, StringTooLongError) as exception:
                    print(type(exception).__name__)
            """
        )
        expected = []
        for receiver, prefix in (("Int8StringReceiver", 1), ("Int32StringReceiver", 4), ("LittleEndian", 2)):
            expected += [f"{receiver} {string}" for string in (b"one", b"", b"three")]
            expected += [f"False {prefix + 8 + 4}", "True"]
        self.assertEqual(said, [*expected, "ValueError", "StringTooLongError"])

    def test_a_netstring_that_is_none_ends_the_connection(self):
        said = self.run_program(
            """
            from reactor_bridge.receivers import NetstringReceiver
            from twisted.internet.testing import StringTransport

            class Strings(NetstringReceiver):
                MAX_LENGTH = 5
                def stringReceived(self, string):
                    print(string)

            for stream in (b"5:three,0:,4:four;", b"1:a,6", b"01:a,"):
                strings = Strings()
                strings.makeConnection(StringTransport())
                for at in range(len(stream)):
                    strings.dataReceived(stream[at:at + 1])
                    if strings.brokenPeer:
                        print(len(stream) - at - 1)
                        break
                print(strings.brokenPeer, strings.transport.disconnecting)
                strings.makeConnection(StringTransport())
                strings.dataReceived(b"2:ok,")
                print(strings.brokenPeer)
            """
        )
        ending = ["1 True", "b'ok'", "0"]
        expected = ["b'three'", "b''", "0", *ending, "b'a'", "0", *ending, "3", *ending]
        self.assertEqual(said, expected)

    def test_datagrams_go_both_ways(self):
        said = self.run_program(
            """
            from twisted.internet import error

            class Echo(protocol.DatagramProtocol):
                def datagramReceived(self, data, peer):
                    if data == b"raise":
                        raise ValueError("broken")
                    self.transport.write(data.upper(), peer)

            class Client(protocol.DatagramProtocol):
                def startProtocol(self):
                    self.transport.connect("127.0.0.1", server.getHost().port)
                    self.transport.write(b"raise")
                    self.transport.write(bytearray(b"hello, and more"), ("127.0.0.1", server.getHost().port))
                def datagramReceived(self, data, peer):
                    print(data, peer == ("127.0.0.1", server.getHost().port))
                    for datagram, address in ((bytes(70000), None), (b"", ("127.0.0.1", 1)), (b"", ("::1", 1))):
                        try:
                            self.transport.write(datagram, address)
                        except (error.MessageLengthError, AssertionError) as exception:
                            print(type(exception).__name__)
                    server.stopListening().addCallback(lambda _: self.transport.writeSequence([b"an", b"yone?"], None))
                def connectionRefused(self):
                    print("refused")
                    reactor.stop()

            server = reactor.listenUDP(0, Echo(), interface="127.0.0.1")
            reactor.listenUDP(0, Client(), interface="127.0.0.1", maxPacketSize=5)
            reactor.run()
            """
        )
        errors = ["MessageLengthError", "AssertionError", "AssertionError"]
        self.assertEqual(said, ["b'HELLO' True", *errors, "refused"])

    def test_a_port_that_has_stopped_can_be_opened_again_at_once(self):
        said = self.run_program(
            """
            from twisted.internet.defer import gatherResults

            def reopened(listen):
                port = listen(0)
                number = port.getHost().port
                return port.stopListening().addCallback(lambda _: listen(number).getHost().port == number)

            def tcp(number):
                return reactor.listenTCP(number, protocol.Factory.forProtocol(protocol.Protocol), interface="127.0.0.1")

            def udp(number):
                return reactor.listenUDP(number, protocol.DatagramProtocol(), interface="127.0.0.1")

            both = gatherResults([reopened(tcp), reopened(udp)])
            both.addCallback(print).addBoth(lambda _: reactor.stop())
            reactor.run()
            """
        )
        self.assertEqual(said, ["[True, True]"])

    def test_a_port_for_both_families_names_peers_in_its_own(self):
        said = self.run_program(
            """
            class Echo(protocol.DatagramProtocol):
                def datagramReceived(self, data, peer):
                    print(data, peer[0])
                    self.transport.write(b"answer", peer)

            class Client(protocol.DatagramProtocol):
                def startProtocol(self):
                    self.transport.write(b"question", ("127.0.0.1", server.getHost().port))
                def datagramReceived(self, data, peer):
                    print(data, peer[0])
                    reactor.stop()

            server = reactor.listenUDP(0, Echo(), interface="::")
            reactor.listenUDP(0, Client(), interface="127.0.0.1")
            reactor.run()
            """
        )
        self.assertEqual(said, ["b'question' ::ffff:127.0.0.1", "b'answer' 127.0.0.1"])

    def test_a_port_that_is_connected_to_itself_hears_itself(self):
        said = self.run_program(
            """
            class Both(protocol.DatagramProtocol):
                def startProtocol(self):
                    host = self.transport.getHost()
                    self.transport.connect(host.host, host.port)
                    self.transport.write(b"hello")
                def datagramReceived(self, data, peer):
                    print(data)
                    reactor.stop()

            reactor.listenUDP(0, Both(), interface="127.0.0.1")
            reactor.run()
            """
        )
        self.assertEqual(said, ["b'hello'"])

    def test_a_serial_port_is_read_and_written(self):
        try:
            import serial  # noqa: F401
        except ImportError:
            self.skipTest("pyserial is not installed")
        said = self.run_program(
            """
            import os, pty, threading, tty
            from twisted.internet.serialport import SerialPort
            from twisted.protocols.basic import LineReceiver

            device, terminal = pty.openpty()
            tty.setraw(terminal)

            def answer():
                with os.fdopen(device, "rb+", buffering=0) as lines:
                    while (line := lines.readline()) != b"bye\\r\\n":
                        lines.write(line.upper())
            threading.Thread(target=answer, daemon=True).start()

            class Program(LineReceiver):
                def connectionMade(self):
                    self.sendLine(b"hello")
                def lineReceived(self, line):
                    print(line, self.transport._serial.baudrate)
                    self.sendLine(b"bye")
                def connectionLost(self, reason):
                    print("lost")
                    reactor.stop()

            SerialPort(Program(), os.ttyname(terminal), reactor, baudrate=115200)
            reactor.run()
            """
        )
        self.assertEqual(said, ["b'HELLO' 115200", "lost"])

    def test_twistd_knows_it_by_name(self):
        said = said_by(
            "from twisted.application.reactors import getReactorTypes, installReactor\n"
            "print(any(known.shortName == 'rust' for known in getReactorTypes()))\n"
            "print(type(installReactor('rust')).__name__)\n"
        )
        self.assertEqual(said, ["True", "RustReactor"])


class BothLanguages(unittest.TestCase):
    def test_a_factory_in_rust_serves_a_port_of_a_python_program(self):
        try:
            import fast  # noqa: F401
        except ImportError:
            self.skipTest("the example is not installed: pip install ./examples/fast")
        said = said_by(
            "import fast\n"
            + PRELUDE
            + textwrap.dedent(
                """
                from twisted.internet.endpoints import serverFromString

                class Client(protocol.Protocol):
                    def connectionMade(self):
                        self.transport.write(b"hello")
                    def dataReceived(self, data):
                        print(data)
                        reactor.stop()

                listening = serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(fast.echo())
                listening.addCallback(connect, Client)
                reactor.run()
                """
            )
        )
        self.assertEqual(said, ["b'hello'"])

    def test_a_factory_of_pythons_serves_a_port_of_a_program_in_rust(self):
        program = os.environ.get("PYTHON_IN_RUST")
        if program is None:
            self.skipTest("PYTHON_IN_RUST names no program: cargo build --example python_in_rust")
        import socket

        paths = os.pathsep.join(path for path in sys.path if path)
        environment = {**os.environ, "PYTHONPATH": paths}
        with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env=environment) as process:
            host, port = process.stdout.readline().strip().rsplit(":", 1)
            with socket.create_connection((host, int(port)), timeout=30) as client:
                client.sendall(b"hello\r\nbye\r\n")
                heard = b""
                while data := client.recv(100):
                    heard += data
            self.assertEqual(heard, b"HELLO\r\nBYE\r\n")
            self.assertEqual(process.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
