"""Measure Twisted programs under several reactors, and write the table into docs/figures.md.

``pip install ./apps/python-bridge uvloop`` first, in release as pip does it; then ``python apps/python-bridge/bench/figures.py``.
The processor time is the server's, user and system. Reactors take turns; each figure is the least of the rounds.
"""

import pathlib
import resource
import selectors
import socket
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
FIGURES = HERE.parents[2] / "docs" / "figures.md"
BEGIN = "<!-- written by: apps/python-bridge/bench/figures.py -->"
END = "<!-- end -->"

REACTORS = ["epoll", "uvloop", "rust"]
NAMES = {
    "epoll": "Twisted's epoll reactor",
    "uvloop": "Twisted's asyncioreactor, uvloop",
    "rust": "**this reactor**",
    "rust, framing by Rust": "**this reactor**, framing by Rust",
}
ROUNDS = 3
CONNECTIONS = 64
IDLE = 2000


class Server:
    """A server in a process of its own."""

    def __init__(self, reactor, kind):
        command = [sys.executable, str(HERE / "server.py"), reactor, kind]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()

    def processor_microseconds(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1000

    def resident_bytes(self):
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()


def talk(server, message, is_answered, rounds):
    """Send a message on each of many connections, and again when it is answered."""
    selector = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        client = socket.create_connection(server.address)
        selector.register(client, selectors.EVENT_READ, [b"", rounds])
        client.sendall(message)
    while selector.get_map():
        for key, _ in selector.select():
            client, state = key.fileobj, key.data
            state[0] += client.recv(65536)
            if is_answered(state[0]):
                state[0] = b""
                state[1] -= 1
                if state[1]:
                    client.sendall(message)
                else:
                    selector.unregister(client)
                    client.close()


def cost(server, message, is_answered, rounds, units):
    """Microseconds of the server's processor a unit, of which each message has some."""
    talk(server, message, is_answered, rounds // 10)
    before = server.processor_microseconds()
    talk(server, message, is_answered, rounds)
    return (server.processor_microseconds() - before) / (rounds * CONNECTIONS * units)


def echo(reactor):
    with Server(reactor, "echo") as server:
        return cost(server, b"x" * 100, lambda answer: len(answer) == 100, 500, 1)


def lines(reactor):
    block = b"a line of a few words\r\n" * 199 + b"end\r\n"
    with Server(reactor, "lines") as server:
        return cost(server, block, lambda answer: answer == b"ok\r\n", 50, 200)


def web(reactor):
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Server(reactor, "web") as server:
        return cost(server, request, lambda answer: answer.endswith(b"<p>hello</p>"), 60, 1)


def connections(reactor):
    with Server(reactor, "echo") as server:

        def visit(times):
            for _ in range(times):
                with socket.create_connection(server.address) as client:
                    client.sendall(b"x")
                    client.recv(1)

        visit(200)
        before = server.processor_microseconds()
        visit(3000)
        return (server.processor_microseconds() - before) / 3000


def memory(reactor):
    with Server(reactor, "echo") as server:
        clients = [talked_to(server) for _ in range(100)]
        before = server.resident_bytes()
        clients += [talked_to(server) for _ in range(IDLE)]
        return (server.resident_bytes() - before) / IDLE


def talked_to(server):
    """A connection at rest that has been served once."""
    client = socket.create_connection(server.address)
    client.sendall(b"x")
    client.recv(1)
    return client


COLUMNS = {
    "echo, µs a message": (echo, REACTORS, "{:.1f}"),
    "lines, µs a line": (lines, [*REACTORS, "rust, framing by Rust"], "{:.2f}"),
    "page of `twisted.web`, µs": (web, REACTORS, "{:.0f}"),
    "connection made, used and lost, µs": (connections, REACTORS, "{:.0f}"),
    "bytes a connection at rest": (memory, REACTORS, "{:,.0f}"),
}


def measured():
    figures = {}
    for turn in range(ROUNDS):
        for title, (measure, reactors, _) in COLUMNS.items():
            for reactor in reactors:
                figure = measure(reactor)
                print(f"round {turn + 1}: {title}: {reactor}: {figure:.2f}", file=sys.stderr)
                figures[title, reactor] = min(figure, figures.get((title, reactor), figure))
    return figures


def table(figures):
    rows = ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    for reactor, name in NAMES.items():
        cells = []
        for title, (_, _, form) in COLUMNS.items():
            figure = figures.get((title, reactor))
            cells.append("" if figure is None else form.format(figure))
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def replaced(text, begin, table):
    """The page with this table in the place that begins so."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}\n{table}\n{END}{after}"


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    FIGURES.write_text(replaced(FIGURES.read_text(), BEGIN, table(measured())))


if __name__ == "__main__":
    main()
