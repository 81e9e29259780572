"""Prompting client for a server of one line a connection: a new connection for every prompt.

Usage: socketserver_client.py [HOST] [PORT]
"""

import socket
import sys

host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

while True:
    with socket.create_connection((host, port)) as server:
        text = input("> ")
        if not text:
            break
        server.sendall(b"%s\r\n" % text.encode())
        answer = server.recv(1024)
        if not answer:
            break
        print(answer.decode().strip(), flush=True)
