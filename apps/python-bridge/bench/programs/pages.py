"""A site by klein: ``pages.py PORT``."""

import sys

from klein import Klein

app = Klein()


@app.route("/hello/<name>")
def hello(request, name):
    return f"<p>hello {name}</p>"


@app.route("/sum/<int:one>/<int:other>")
def add(request, one, other):
    return str(one + other)


app.run("127.0.0.1", int(sys.argv[1]), logFile=open("pages.log", "w"))
