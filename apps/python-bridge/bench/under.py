"""Run an unchanged program under a reactor: ``under.py REACTOR PROGRAM ARGUMENT …``, by its path or as a command of this Python."""

import os
import runpy
import sys

from server import install


def main(reactor, program, *arguments):
    install(reactor)
    # For commands that look for their like, and for plug-ins of twistd that are where it is started.
    sys.path[0] = os.getcwd()
    path = os.path.join(os.path.dirname(sys.executable), program)
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
