"""Prompting client on a plain TCP socket: sends a line without its newline, prints one read of the answer.

Usage: tcp_client.py [HOST] [PORT]
"""

import socket
import sys

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

with socket.create_connection((host, port)) as server:
    while text := input("> "):
        server.sendall(text.encode())
        answer = server.recv(1024)
        if not answer:
            break
        print(answer.decode(), flush=True)
