"""Logs in by SCRAM-SHA-256, with the package scramp: AUTH MECHANISM MESSAGE, then + CHALLENGE for each answer, all in base64, and
OK or NO at last. Prints the last line. Usage: scram_client.py HOST PORT NAME PASSWORD"""

import base64
import socket
import sys

import scramp

host, port, name, password = sys.argv[1:]
connection = socket.create_connection((host, int(port)), timeout=30).makefile("rw", newline="")


def say(text):
    connection.write(text + "\r\n")
    connection.flush()


def hear():
    line = connection.readline().rstrip("\r\n")
    if not line.startswith("+ "):
        print(line)
        sys.exit()
    return base64.b64decode(line[2:]).decode()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


client = scramp.ScramClient(["SCRAM-SHA-256"], name, password)
say("AUTH SCRAM-SHA-256 " + encoded(client.get_client_first()))
client.set_server_first(hear())
say(encoded(client.get_client_final()))
# Fails if the server does not know the password.
client.set_server_final(hear())
say("")
hear()
