"""Processor time of the example `carbon_relay` beside that of Graphite's own, in turns: the same metrics from one
connection to three destinations. Prints how many metrics each passes on in a second of its processor time.

    python3 -m venv target/carbon-python
    GRAPHITE_NO_PREFIX=True target/carbon-python/bin/pip install twisted==26.10.0 carbon==1.1.10 whisper==1.1.10
    cargo build --release -p protocols --example carbon_relay
    target/carbon-python/bin/python3 tests/carbon_figures.py [ROUNDS]
"""

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METRICS = [f"servers.web{number % 50}.disk.partition{number}.used" for number in range(1000)]
CONFIGURATION = """
[relay]
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_PORT = 0
RELAY_METHOD = consistent-hashing
DESTINATIONS = {destinations}
DESTINATION_PROTOCOL = {protocol}
"""


class Store(threading.Thread):
    """Counts the metrics that come over one connection."""

    def __init__(self, pickles):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pickles = pickles
        self.count = 0
        self.start()

    def run(self):
        connection, _ = self.listener.accept()
        if self.pickles:
            stream = connection.makefile("rb")
            while head := stream.read(4):
                self.count += len(pickle.loads(stream.read(int.from_bytes(head, "big"))))
        else:
            while data := connection.recv(1 << 20):
                self.count += data.count(b"\n")


def processor_time(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        user, system = stat.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def connect(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("the relay does not listen")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def measure(start, count, pickles=False):
    stores = [Store(pickles) for _ in range(3)]
    port = free_port()
    destinations = [f"{store.address}:{name}" for store, name in zip(stores, "abc")]
    with tempfile.TemporaryDirectory() as directory:
        process = start(directory, port, destinations)
        try:
            connection = connect(port)
            before = processor_time(process)
            lines = "".join(f"{metric} 12.5 1700000000\n" for metric in METRICS).encode()
            for _ in range(count // len(METRICS)):
                connection.sendall(lines)
            while sum(store.count for store in stores) < count:
                time.sleep(0.01)
            return count / (processor_time(process) - before)
        finally:
            process.kill()
            process.wait()


def ours(directory, port, destinations):
    relay = os.path.join(ROOT, "target/release/examples/carbon_relay")
    return subprocess.Popen([relay, f"127.0.0.1:{port}", *destinations], stderr=subprocess.DEVNULL)


def carbons(protocol):
    def start(directory, port, destinations):
        configuration = os.path.join(directory, "carbon.conf")
        with open(configuration, "w") as file:
            file.write(CONFIGURATION.format(port=port, destinations=", ".join(destinations), protocol=protocol))
        # It wants to see one, though a relay stores nothing.
        with open(os.path.join(directory, "storage-schemas.conf"), "w"):
            pass
        program = os.path.join(os.path.dirname(sys.executable), "carbon-relay.py")
        pid_file = os.path.join(directory, "pid")
        arguments = ["--config", configuration, "--pidfile", pid_file, "--nodaemon", "start"]
        return subprocess.Popen(
            [sys.executable, program, *arguments],
            env={**os.environ, "GRAPHITE_ROOT": directory, "GRAPHITE_STORAGE_DIR": directory},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    return start


for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
    print(
        "ours %.0f, carbon's with lines %.0f, carbon's with pickles %.0f"
        % (
            measure(ours, 2_000_000),
            measure(carbons("line"), 100_000),
            measure(carbons("pickle"), 100_000, pickles=True),
        ),
        flush=True,
    )
