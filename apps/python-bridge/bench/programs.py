"""Run real programs, unchanged, under several reactors, and write what they cost into docs/figures.md and docs/bridge.md.

``pip install ./apps/python-bridge uvloop magic-wormhole-transit-relay magic-wormhole magic-wormhole-mailbox-server carbon whisper
scrapy klein txredisapi`` first, in release as pip does it, and have ``redis-server`` on the PATH; then
``python apps/python-bridge/bench/programs.py [PROGRAM …]``. The figures are processor time, user and system: of servers under the
load, of clients from start to end. Reactors take turns; each figure is the least of the rounds. A program whose results are wrong
ends the run.
"""

import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from figures import CONNECTIONS, FIGURES, NAMES, REACTORS, replaced, talk

HERE = pathlib.Path(__file__).parent
PROGRAMS = HERE / "programs"
BEGIN = "<!-- written by: apps/python-bridge/bench/programs.py -->"
ROUNDS = 3
SECONDS = 60

PAIRS = 200
FILE_MIB = 256
METRICS, POINTS = 200, 400
PAGES = 300
REQUESTS = 60
CLIENTS, COUNTS = 20, 200


def free_port():
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        return unbound.getsockname()[1]


def command(reactor, program, *arguments):
    return [sys.executable, str(HERE / "under.py"), reactor, str(program), *map(str, arguments)]


class Daemon:
    """A server in a process of its own, which has ``port`` open when this is made."""

    def __init__(self, port, started, directory, **environment):
        self.address = ("127.0.0.1", port)
        with open(directory / f"{port}.log", "w") as log:
            self.process = subprocess.Popen(
                started, cwd=directory, stdout=log, stderr=log, env={**os.environ, **environment}
            )
        until = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(self.address):
                return
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise SystemExit(f"{started} does not serve: {(directory / f'{port}.log').read_text()}")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()

    def seconds(self):
        """The processor time of all its threads."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def run(started, directory):
    """What a program says, and its processor time from start to end."""
    with open(directory / "client.log", "w") as log:
        process = subprocess.Popen(started, cwd=directory, stdout=subprocess.PIPE, stderr=log, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{started} failed: {(directory / 'client.log').read_text()}")
    return said, usage.ru_utime + usage.ru_stime


def check(name, found, expected):
    if found != expected:
        raise SystemExit(f"{name}: {found!r} in place of {expected!r}")


def mailbox(reactor, directory):
    """A mailbox server, with its database in memory."""
    port = free_port()
    options = ("-n", "--pidfile=", "wormhole-mailbox", f"--port=tcp:{port}:interface=127.0.0.1", "--channel-db=:memory:")
    return Daemon(port, command(reactor, "twistd", *options), directory)


def wormhole_mailbox(reactor, directory):
    pairs = PAIRS
    with mailbox(reactor, directory) as server:
        before = server.seconds()
        url = f"ws://127.0.0.1:{server.address[1]}/v1"
        said, _ = run(command("epoll", PROGRAMS / "wormholes.py", url, pairs), directory)
        check("pairs that talked", int(said), pairs)
        return server.seconds() - before


def transit_relay(reactor, directory):
    content = os.urandom(FILE_MIB << 20)
    (directory / "file").write_bytes(content)
    port = free_port()
    options = ("-n", "--pidfile=", "transitrelay", f"--port=tcp:{port}:interface=127.0.0.1")
    with mailbox("epoll", directory) as rendezvous, Daemon(port, command(reactor, "twistd", *options), directory) as server:
        before = server.seconds()
        client = [
            *command("epoll", "wormhole", f"--relay-url=ws://127.0.0.1:{rendezvous.address[1]}/v1"),
            f"--transit-helper=tcp:127.0.0.1:{port}",
        ]
        options = ["--no-listen", "--hide-progress"]
        sender = subprocess.Popen(
            [*client, "send", *options, "--code=1-purple-sausages", "file"],
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        run([*client, "receive", *options, "--accept-file", "--output-file=copy", "1-purple-sausages"], directory)
        check("the sender", sender.wait(SECONDS), 0)
        spent = server.seconds() - before
    check("the file", hashlib.sha256((directory / "copy").read_bytes()).digest(), hashlib.sha256(content).digest())
    return spent


def carbon(reactor, directory):
    lines, pickles, queries = free_port(), free_port(), free_port()
    (directory / "conf").mkdir()
    (directory / "conf" / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:10m\n")
    (directory / "conf" / "carbon.conf").write_text(
        f"""[cache]
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {lines}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickles}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {queries}
MAX_UPDATES_PER_SECOND = 1
CARBON_METRIC_INTERVAL = 0
LOG_UPDATES = False
"""
    )
    # Its own command has no choice of the reactor.
    started = command(reactor, "twistd", "-n", "--pidfile=", "carbon-cache", "--config=conf/carbon.conf")
    with Daemon(queries, started, directory, GRAPHITE_ROOT=str(directory)) as server:
        now = int(time.time())
        before = server.seconds()
        with socket.create_connection(("127.0.0.1", lines)) as client:
            for point in range(POINTS):
                client.sendall(b"".join(b"lines.m%d %d %d\n" % (m, point, now - point) for m in range(METRICS)))
        with socket.create_connection(("127.0.0.1", pickles)) as client:
            for point in range(POINTS):
                message = pickle.dumps([(f"pickles.m{m}", (now - point, point)) for m in range(METRICS)], 2)
                client.sendall(struct.pack("!I", len(message)) + message)
        with socket.create_connection(server.address) as client:
            names = [f"{kind}.m{m}" for m in range(METRICS) for kind in ("lines", "pickles")]
            until = time.monotonic() + SECONDS
            # Once a second a metric goes to its file.
            while sum(cached(client, name) == POINTS for name in names) < len(names) * 0.9:
                if time.monotonic() > until:
                    raise SystemExit("carbon did not take all points")
        return server.seconds() - before


def cached(client, metric):
    """How many points of a metric carbon holds."""
    query = pickle.dumps({"type": "cache-query", "metric": metric}, 2)
    client.sendall(struct.pack("!I", len(query)) + query)
    (length,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
    return len(pickle.loads(client.recv(length, socket.MSG_WAITALL))["datapoints"])


def scrapy(reactor, directory):
    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            number = int(self.path.strip("/") or 0)
            links = "".join(f'<a href="/{n}">next</a>' for n in (2 * number + 1, 2 * number + 2) if n < PAGES)
            page = f"<title>page {number}</title>{links}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments):
            pass

    kinds = {
        "epoll": ["TWISTED_REACTOR=twisted.internet.epollreactor.EPollReactor"],
        "uvloop": [
            "TWISTED_REACTOR=twisted.internet.asyncioreactor.AsyncioSelectorReactor",
            "ASYNCIO_EVENT_LOOP=uvloop.Loop",
        ],
        "rust": ["TWISTED_REACTOR=reactor_bridge.reactor.RustReactor"],
    }
    settings = [*kinds[reactor], "LOG_LEVEL=WARNING", "DOWNLOAD_DELAY=0", "TELNETCONSOLE_ENABLED=False"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        options = [word for setting in settings for word in ("-s", setting)]
        url = f"url=http://127.0.0.1:{site.server_port}/0"
        spider = ["runspider", PROGRAMS / "spider.py", "-a", url, "-O", "titles.json", *options]
        # It installs the reactor of its settings.
        _, spent = run([sys.executable, "-m", "scrapy", *map(str, spider)], directory)
        site.shutdown()
    titles = {item["title"] for item in json.loads((directory / "titles.json").read_text())}
    check("the titles", titles, {f"page {number}" for number in range(PAGES)})
    return spent


def klein(reactor, directory):
    port = free_port()
    with Daemon(port, command(reactor, PROGRAMS / "pages.py", port), directory) as server:
        for path, page in (("/hello/ada", b"<p>hello ada</p>"), ("/sum/17/25", b"42"), ("/sum/17/x", b"Not Found")):
            with socket.create_connection(server.address) as client:
                client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            check(path, page in answer, True)
        before = server.seconds()
        request = b"GET /hello/ada HTTP/1.1\r\nHost: localhost\r\n\r\n"
        talk(server, request, lambda answer: answer.endswith(b"<p>hello ada</p>\r\n0\r\n\r\n"), REQUESTS)
        return server.seconds() - before


def txredisapi(reactor, directory):
    port = free_port()
    redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with Daemon(port, redis, directory):
        said, spent = run(command(reactor, PROGRAMS / "counting.py", port, CLIENTS, COUNTS), directory)
    check("answers of Redis", int(said), 2 * CLIENTS * COUNTS)
    return spent


ROWS = {
    wormhole_mailbox: f"magic-wormhole's mailbox server: {PAIRS} pairs of clients",
    transit_relay: f"its transit relay: a file of {FILE_MIB} MiB from client to client",
    carbon: f"carbon's cache: {METRICS * POINTS:,} points as lines, as many as pickles",
    scrapy: f"scrapy, from start to end: {PAGES} pages",
    klein: f"klein: {REQUESTS * CONNECTIONS:,} pages",
    txredisapi: f"a client by txredisapi, from start to end: {3 * CLIENTS * COUNTS:,} commands",
}


def measured(rows):
    figures = {}
    for turn in range(ROUNDS):
        for program in rows:
            for reactor in REACTORS:
                directory = pathlib.Path(tempfile.mkdtemp())
                seconds = program(reactor, directory)
                shutil.rmtree(directory)
                print(f"round {turn + 1}: {program.__name__}: {reactor}: {seconds:.2f} s", file=sys.stderr)
                figures[program, reactor] = min(seconds, figures.get((program, reactor), seconds))
    return figures


def table(rows, figures):
    lines = ["| seconds of processor time | " + " | ".join(NAMES[reactor] for reactor in REACTORS) + " |"]
    lines.append("|---|" + "---:|" * len(REACTORS))
    for program in rows:
        cells = " | ".join(f"{figures[program, reactor]:.2f}" for reactor in REACTORS)
        lines.append(f"| {ROWS[program]} | {cells} |")
    return "\n".join(lines)


def main(*names):
    rows = [program for program in ROWS if not names or program.__name__ in names]
    written = table(rows, measured(rows))
    print(written)
    if not names:
        for page in (FIGURES, FIGURES.with_name("bridge.md")):
            page.write_text(replaced(page.read_text(), BEGIN, written))


if __name__ == "__main__":
    main(*sys.argv[1:])
