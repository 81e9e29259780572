#!/usr/bin/env bash
# Runs Autobahn's test suite against both ends of web sockets, where `wstest` is installed (Python 2.7:
# `pip install autobahntestsuite`), and fails unless every case is right. The reports are in target/autobahn.
#
# Left out are the cases of compression (12, 13), which is not offered: the suite calls them "unimplemented".
set -euo pipefail
cd "$(dirname "$0")/.."

WSTEST=${WSTEST:-wstest}
if ! command -v "$WSTEST" >/dev/null; then
    echo "skipped, because Autobahn's test suite is not installed: its wstest is not on the PATH" >&2
    exit 0
fi

cargo build --quiet -p tests --bin autobahn
program=${CARGO_TARGET_DIR:-target}/debug/autobahn
reports=target/autobahn
rm -rf "$reports"
mkdir -p "$reports"

# Ports that nobody listens on now.
ports=($(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))'))

started=()
stop() { kill "${started[@]}" 2>/dev/null || true; }
trap stop EXIT

listening() {
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nobody listens on port $1" >&2
    return 1
}

cases='"cases": ["*"], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}'

"$program" serve "${ports[0]}" &
started+=($!)
listening "${ports[0]}"
cat >"$reports/client.json" <<END
{"outdir": "$reports/server", $cases, "servers": [{"agent": "reactor", "url": "ws://127.0.0.1:${ports[0]}"}]}
END
"$WSTEST" --mode fuzzingclient --spec "$reports/client.json" >"$reports/server.log" 2>&1

cat >"$reports/server.json" <<END
{"outdir": "$reports/client", $cases, "url": "ws://127.0.0.1:${ports[1]}"}
END
"$WSTEST" --mode fuzzingserver --webport 0 --spec "$reports/server.json" >"$reports/client.log" 2>&1 &
started+=($!)
listening "${ports[1]}"
"$program" ask "${ports[1]}"

python3 - "$reports" <<'END'
import collections, json, sys

wrong = False
for role in ("server", "client"):
    with open(f"{sys.argv[1]}/{role}/index.json") as file:
        cases = json.load(file)["reactor"]
    counts = collections.Counter()
    for case, result in sorted(cases.items()):
        counts[result["behavior"]] += 1
        fine = {"OK", "INFORMATIONAL"}
        if result["behavior"] not in fine or result["behaviorClose"] not in fine:
            wrong = True
            print(f"{role}: case {case}: {result['behavior']}, its close {result['behaviorClose']}")
    print(f"{role}: {len(cases)} cases:", ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    wrong |= len(cases) < 240
sys.exit(wrong)
END
