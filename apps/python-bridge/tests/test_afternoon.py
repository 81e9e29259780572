"""The programs of docs/bridge.md, each with the same clients."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import unittest

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "bridge.md"


def programs():
    """The blocks of Python on the page, in order."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    twisted, install, receivers, mixed = blocks
    own_receivers = "from twisted.protocols.basic import LineReceiver\n"
    assert own_receivers in twisted
    return {
        "twisted": twisted,
        "installed": install + twisted,
        "framed by rust": install + twisted.replace(own_receivers, receivers),
        "mixed": mixed,
    }


def ask(address, *lines):
    """What a server answers, until it closes."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b"".join(line + b"\r\n" for line in lines))
        answer = b""
        while data := client.recv(4096):
            answer += data
    return answer.split(b"\r\n")[:-1]


class Afternoon(unittest.TestCase):
    def vote(self, command, tells):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                voting = server.stdout.readline().strip()
                self.assertEqual(
                    ask(voting, b"VOTE ada", b"VOTE bob", b"VOTE ada", b"VOTE", b"BYE"),
                    [b"ada 1", b"bob 1", b"ada 2", b"VOTE NAME, or BYE"],
                )
                if tells:
                    self.assertEqual(ask(server.stdout.readline().strip(), b"ada"), [b"2"])
            finally:
                server.terminate()

    def vote_in_python(self, step):
        self.vote([sys.executable, "-c", programs()[step]], tells=True)

    def test_1_the_server_in_twisted(self):
        self.vote_in_python("twisted")

    def test_2_the_same_on_this_reactor(self):
        self.vote_in_python("installed")

    def test_3_framing_by_rust(self):
        self.vote_in_python("framed by rust")

    def test_4_one_protocol_in_rust(self):
        try:
            import fast  # noqa: F401
        except ImportError:
            self.skipTest("the example is not installed: pip install ./examples/fast")
        self.vote_in_python("mixed")

    def test_5_all_in_rust(self):
        program = os.environ.get("VOTES")
        if program is None:
            self.skipTest("VOTES names no program: cargo build -p fast --bin votes")
        self.vote([program], tells=False)


if __name__ == "__main__":
    unittest.main()
