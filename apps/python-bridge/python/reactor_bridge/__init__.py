"""A Twisted reactor in Rust. Install it before anything imports ``twisted.internet.reactor``::

    from reactor_bridge import install
    install()

or start a program by ``twistd --reactor=rust``. Everything else stays as it is.
"""


def install(bounded: bool = False, loop=None):
    """Make this the reactor of the program.

    A connection has no limits of its own, as in Twisted. If it is to be ``bounded``, its unsent output is limited to
    16 MiB and that of all to a quarter of the memory, a peer is read no further while 64 KiB of answers to it wait, and
    an exception in a callback resets the connection, so that the peer can see that something is missing.

    The ``loop`` is given by a program in Rust that hosts Python, and runs already, or will.
    """
    # Only now: a module in Rust may bring the native half with it (``bridge::provide``).
    from reactor_bridge import reactor

    return reactor.install(bounded, loop)


__all__ = ["install"]
