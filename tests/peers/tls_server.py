"""Echoes over TLS by Python's own module; prints how each connection ends. Usage: tls_server.py HOST PORT CERTIFICATE KEY"""

import socket
import ssl
import sys

host, port, certificate, key = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
listener = socket.create_server((host, int(port)))
print("waiting for connection... %s:%d" % listener.getsockname(), flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(30)
    try:
        secure = context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
        while data := secure.recv(65536):
            secure.sendall(data)
        secure.unwrap().close()
        print("ended", flush=True)
    except OSError as error:
        print("failed:", error, flush=True)
