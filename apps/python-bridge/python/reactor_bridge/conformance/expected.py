"""What of Twisted's suite does not pass, and why: ``*`` stands for any text in a test's name."""

from fnmatch import fnmatch

#: Tests that are left out: they would leave the process unusable for those behind them.
NOT_RUN = {
    "*.test_closePeerOnEMFILE": "looks for Twisted's own reserve of a descriptor; the native ports have theirs (S103)",
}

_ORDER = "has both ends in one process, and counts on the accepting one being called first: nothing promises that"

_PARSER = "calls a private method of Twisted's parser"

#: Tests that apply to nothing here.
NOT_APPLICABLE = {
    "*.AbortConnectionTests_*.test_fullWriteBuffer": _ORDER,
    "*.AbortSSLConnectionTests_*.test_fullWriteBuffer": _ORDER,
    "*.AbortSSLConnectionTests_*.test_resumeProducing*": _ORDER,
    "*.TCPConnectionTestsBuilder_*.test_connectionLostAfterPausedTransport": _ORDER,
    "*.TCPConnectionTestsBuilder_*.test_doubleHalfClose": _ORDER,
    "*.NetstringReceiverTests.test_consumeLength*": _PARSER,
    "*.NetstringReceiverTests.test_receiveNetstringPortions_1": _PARSER,
    "*.NetstringReceiverTests.test_receiveTwoNetstrings": _PARSER,
    "*.test_lostFileDescriptor": "replaces a descriptor that is watched; the reactor polls a duplicate, which stays what it was",
    "twisted.test.test_tcp.HalfCloseTests.testCloseWriteCloser": "reads a private list of Twisted's transports",
}

#: Tests of what is different on purpose, by the number of the statement in docs/twisted-conformance.md.
DECIDED = {
    "twisted.test.test_tcp.WriteDataTests.test_writeAfterShutdownWithoutReading": "30: a side that has closed takes what "
    "still comes for a while, so that the other's writes do not fail",
}


def explanation(test):
    """The kind of a known difference, and the reason or the statement; None if there is none."""
    for kind, table in (("not applicable", NOT_APPLICABLE), ("decided difference", DECIDED)):
        for name, reason in table.items():
            if fnmatch(test, name):
                return kind, name, reason
    return None
