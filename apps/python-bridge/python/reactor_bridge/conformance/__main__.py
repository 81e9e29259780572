"""Run Twisted's own tests on this reactor, and say what became of each.

``python -m reactor_bridge.conformance [--quick] [MODULE …]``. A test passes; or applies to nothing here, for the reason
given; or fails by Twisted's own reactor on this machine, too; or shows what is decided to be different, by the number of
the statement in ``docs/twisted-conformance.md``. Anything else is an unexplained failure.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from reactor_bridge.conformance import expected
from reactor_bridge.conformance.module import BUILT, GLOBAL, RECEIVERS

_INTERNET = "twisted.internet.test."

#: The half that runs with every change.
QUICK = [
    (BUILT, _INTERNET + name)
    for name in ("test_core", "test_tcp", "test_unix", "test_udp", "test_time", "test_threads", "test_socket", "test_fdset")
] + [(GLOBAL, "twisted.test." + name) for name in ("test_tcp", "test_udp", "test_policies", "test_internet")]
QUICK += [(RECEIVERS, module) for module in ("twisted.protocols.test.test_basic", "twisted.test.test_amp")]

FULL = (
    QUICK
    + [(BUILT, _INTERNET + name) for name in ("test_tls", "test_process", "test_stdio", "test_endpoints", "test_base")]
    + [
        (GLOBAL, module)
        for module in (
            "twisted.test.test_unix",
            "twisted.test.test_ftp",
            "twisted.test.test_process",
            "twisted.test.test_stdio",
            "twisted.test.test_threads",
            "twisted.test.test_threadpool",
            "twisted.test.test_task",
            "twisted.test.test_defer",
            "twisted.test.test_ssl",
            "twisted.test.test_sslverify",
            "twisted.test.test_application",
            "twisted.test.test_loopback",
            "twisted.protocols.test.test_basic",
            "twisted.protocols.test.test_tls",
            "twisted.test.test_amp",
            "twisted.internet.test.test_endpoints",
            "twisted.web.test",
            "twisted.mail.test",
            "twisted.words.test",
            "twisted.names.test",
            "twisted.spread.test",
            "twisted.conch.test",
        )
    ]
)

#: The longest that a module may take before it counts as hung.
TIME_LIMIT_SECONDS = 1200


def outcomes_of(mode, reactor, module, lines):
    """The outcomes by test, of a process of its own; None if it came to no end, which ``lines`` are told."""
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "outcomes.json")
        command = [sys.executable, "-m", "reactor_bridge.conformance.module", mode, reactor, module, file]
        try:
            process = subprocess.run(
                command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIME_LIMIT_SECONDS
            )
            said = process.stderr
        except subprocess.TimeoutExpired as expired:
            said = expired.stderr or b""
        if os.path.exists(file):
            with open(file) as outcomes:
                return json.load(outcomes)
    last = said.decode(errors="replace").splitlines()[-5:]
    lines.append("\n  ".join([f"{module} came to no end; the last that it said:", *last]))
    return None


def judge(mode, module):
    """What became of the tests of a module: the lines to print, the numbers, and the explanations that were used."""
    lines, used = [], set()
    outcomes = outcomes_of(mode, "rust", module, lines)
    if outcomes is None:
        return lines, Counter(unexplained=1), used
    failed = {test: detail for test, (outcome, detail) in outcomes.items() if outcome == "failed"}
    unknown = [test for test in failed if expected.explanation(test) is None]
    reference = outcomes_of(mode, "epoll", module, lines) if unknown else {}
    counts = Counter(outcome for outcome, _ in outcomes.values() if outcome != "failed")
    for test in sorted(failed):
        known = expected.explanation(test)
        if known is not None:
            kind, name, reason = known
            used.add(name)
            counts[kind] += 1
            lines.append(f"  {kind}: {test}: {reason}")
        elif (reference or {}).get(test.replace("RustReactor", "EPollReactor"), ("",))[0] == "failed":
            counts["fails by Twisted's reactor, too"] += 1
            lines.append(f"  fails by Twisted's reactor, too: {test}")
        else:
            counts["unexplained"] += 1
            lines.append(f"  UNEXPLAINED: {test}\n    " + "\n    ".join(failed[test].strip().splitlines()[-6:]))
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    lines.append(f"{module} ({mode}): {said}")
    return lines, counts, used


def main():
    parser = argparse.ArgumentParser(prog="python -m reactor_bridge.conformance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the half that runs with every change")
    parser.add_argument("modules", nargs="*", help="only these")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    if options.modules:
        plan = [(mode, module) for mode, module in FULL if module in options.modules]
    total, used = Counter(), set()
    # Most tests wait, so that two processes a core are not too many.
    with ThreadPoolExecutor(2 * os.cpu_count()) as threads:
        for lines, counts, explained in threads.map(judge, *zip(*plan)):
            print(*lines, sep="\n", flush=True)
            total += counts
            used |= explained
    idle = [name for name in (*expected.NOT_APPLICABLE, *expected.DECIDED) if name not in used]
    if plan is FULL and idle:
        # Some depend on an order that may come out well.
        print("rows of expected.py that explained nothing this time:", *idle, sep="\n  ")
    applies = total["passed"] + total["decided difference"] + total["unexplained"]
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(total.items())))
    print(f"{total['passed']} of {applies} that apply pass: {total['passed'] / max(applies, 1):.1%}")
    return 1 if total["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
