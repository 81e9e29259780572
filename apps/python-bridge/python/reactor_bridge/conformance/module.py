"""Run one of Twisted's test modules and write each test's outcome to a file, as JSON.

``python -m reactor_bridge.conformance.module built|global|receivers rust|epoll MODULE FILE``: tests that build reactors of their own
are given this one (``built``), or any tests are run by it (``global``); or by Twisted's own, for comparison. ``receivers``
puts the receivers in Rust in the place of Twisted's.
"""

import io
import json
import os
import sys
import tempfile
import traceback
from fnmatch import fnmatch
from unittest import TestSuite

from reactor_bridge.conformance.expected import NOT_RUN, explanation

BUILT = "built"
GLOBAL = "global"
RECEIVERS = "receivers"
#: How long a test may wait, on a machine that is busy; and one that is known to wait in vain.
TIME_LIMIT_SECONDS = 60
KNOWN_TIME_LIMIT_SECONDS = 2
REACTORS = {"rust": "reactor_bridge.reactor.RustReactor", "epoll": "twisted.internet.epollreactor.EPollReactor"}


def _set_up(mode, reactor):
    from twisted.internet.test import reactormixins

    reactormixins.ReactorBuilder._reactors = [REACTORS[reactor]] if mode == BUILT else []
    if mode == GLOBAL and reactor == "rust":
        from reactor_bridge import install

        install()
    if mode == RECEIVERS and reactor == "rust":
        from twisted.protocols import basic

        from reactor_bridge import receivers

        for name in receivers.__all__:
            setattr(basic, name, getattr(receivers, name))


def run(mode, reactor, module):
    """The outcome of each test: its name, a word, and what is said about it."""
    _set_up(mode, reactor)
    from twisted.internet.test import reactormixins
    from twisted.trial import reporter, runner, util

    outcomes = {}

    class Recorder(reporter.Reporter):
        def _record(self, test, outcome, detail=""):
            # A test that has an error may also be said to succeed, or have several.
            if outcomes.get(test.id(), ("passed",))[0] == "passed":
                outcomes[test.id()] = (outcome, detail)

        def startTest(self, test):
            super().startTest(test)
            limit = TIME_LIMIT_SECONDS if explanation(test.id()) is None else KNOWN_TIME_LIMIT_SECONDS
            reactormixins.DEFAULT_TIMEOUT_DURATION = util.DEFAULT_TIMEOUT_DURATION = limit
            # Tells which test it was if the module hangs.
            print(test.id(), file=sys.stderr, flush=True)

        def addSuccess(self, test):
            super().addSuccess(test)
            self._record(test, "passed")

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            self._record(test, "skipped", str(reason))

        def addExpectedFailure(self, test, error, todo=None):
            super().addExpectedFailure(test, error, todo)
            self._record(test, "passed")

        def addFailure(self, test, failure):
            super().addFailure(test, failure)
            self._record(test, "failed", _text(failure))

        def addError(self, test, error):
            super().addError(test, error)
            self._record(test, "failed", _text(error))

    suite = _leave_out(runner.TestLoader().loadByName(module, recurse=True))
    stream = io.TextIOWrapper(io.BytesIO(), write_through=True)
    runner.TrialRunner(
        lambda *arguments, **options: Recorder(stream, "default", False),
        mode=None,
        workingDirectory=os.path.join(tempfile.mkdtemp(), "trial"),
    ).run(suite)
    return outcomes


def _leave_out(suite):
    """The suite without the tests that are not run."""
    kept = [test for test in _flat(suite) if not any(fnmatch(test.id(), name) for name in NOT_RUN)]
    return TestSuite(kept)


def _flat(suite):
    for test in suite:
        if hasattr(test, "__iter__"):
            yield from _flat(test)
        else:
            yield test


def _text(failure):
    if isinstance(failure, tuple):
        return "".join(traceback.format_exception(*failure))
    return failure.getTraceback()


def main(mode, reactor, module, file):
    outcomes = run(mode, reactor, module)
    with open(file, "w") as output:
        json.dump(outcomes, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
