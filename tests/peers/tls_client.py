"""Talks over TLS by Python's own module: says each line of its standard input, prints the answer, and ends its stream as TLS
prescribes, and so must the server. Usage: tls_client.py HOST PORT AUTHORITY NAME [ALPN]..."""

import socket
import ssl
import sys

host, port, authority, name, *alpn = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if alpn:
    context.set_alpn_protocols(alpn)
connection = socket.create_connection((host, int(port)), timeout=30)
secure = context.wrap_socket(connection, server_hostname=name, suppress_ragged_eofs=False)
print(secure.version(), secure.selected_alpn_protocol(), flush=True)
for line in sys.stdin:
    secure.sendall(line.encode())
    answer = b""
    while len(answer) < len(line.encode()):
        answer += secure.recv(65536)
    print(len(answer) if len(answer) > 100 else answer.decode().strip(), flush=True)
# Waits for the server's end, and fails if its stream is merely cut.
secure.unwrap().close()
print("ended", flush=True)
