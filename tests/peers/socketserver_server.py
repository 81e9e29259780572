"""Time server on socketserver: a connection carries one line, its stamped answer, and no more.

Usage: socketserver_server.py [HOST] [PORT]
"""

import socketserver
import sys
import time


class OneLine(socketserver.StreamRequestHandler):
    def handle(self):
        print("...connected from:", self.client_address, flush=True)
        line = self.rfile.readline()
        self.wfile.write(b"[%s] %s" % (time.ctime().encode(), line))


host = sys.argv[1] if len(sys.argv) > 1 else ""
port = int(sys.argv[2]) if len(sys.argv) > 2 else 21567

with socketserver.TCPServer((host, port), OneLine) as server:
    print("waiting for connection...", "%s:%d" % server.server_address, flush=True)
    server.serve_forever()
