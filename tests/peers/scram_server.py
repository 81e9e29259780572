"""Lets one client log in as "ann", whose password is the argument, by SCRAM-SHA-256 with the package scramp. Prints its port.
It speaks what scram_client.py does. Usage: scram_server.py PASSWORD"""

import base64
import socket
import sys

import scramp

mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
auth_info = mechanism.make_auth_info(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
accepted, _ = listener.accept()
connection = accepted.makefile("rw", newline="")


def say(text):
    connection.write(text + "\r\n")
    connection.flush()


def hear():
    return base64.b64decode(connection.readline().rstrip("\r\n").split(" ")[-1]).decode()


server = mechanism.make_server(lambda name: auth_info)
server.set_client_first(hear())
say("+ " + base64.b64encode(server.get_server_first().encode()).decode())
try:
    server.set_client_final(hear())
except scramp.ScramException as error:
    say("NO " + str(error))
else:
    say("+ " + base64.b64encode(server.get_server_final().encode()).decode())
    connection.readline()
    say("OK ann")
connection.read()
