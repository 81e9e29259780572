"""Time server on a plain TCP socket: one client at a time, a stamp for every 1,024 bytes read.

Usage: tcp_server.py [HOST] [PORT]
"""

import socket
import sys
import time

host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

with socket.create_server((host, port), backlog=5) as listener:
    while True:
        print("waiting for connection...", "%s:%d" % listener.getsockname(), flush=True)
        client, address = listener.accept()
        print("...connected from:", address, flush=True)
        with client:
            while chunk := client.recv(1024):
                client.sendall(b"[%s] %s" % (time.ctime().encode(), chunk))
