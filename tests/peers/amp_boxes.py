"""Reads values on standard input, a line of JSON each, and prints the box that Twisted makes of each, in hexadecimal.

What it has made it reads, too, and makes again, which must give the same.
"""

import datetime
import json
import sys

from twisted.protocols import amp

KINDS = {
    "integer": (amp.Integer(), int),
    "float": (amp.Float(), float),
    "boolean": (amp.Boolean(), bool),
    "unicode": (amp.Unicode(), str),
    "string": (amp.String(), bytes.fromhex),
    "datetime": (amp.DateTime(), datetime.datetime.fromisoformat),
    "integers": (amp.ListOf(amp.Integer()), lambda value: [int(element) for element in value]),
    "texts": (amp.ListOf(amp.ListOf(amp.Unicode())), list),
    "boxes": (amp.AmpList([(b"a", amp.Integer()), (b"b", amp.Unicode())]), list),
}

for line in sys.stdin:
    box, again = amp.Box(), amp.Box()
    for key, kind, value in json.loads(line):
        argument, convert = KINDS[kind]
        key = bytes.fromhex(key)
        box[key] = argument.toStringProto(convert(value), None)
        again[key] = argument.toStringProto(argument.fromStringProto(box[key], None), None)
    assert box == again, (box, again)
    encoded = box.serialize()
    assert amp.parseString(encoded) == [box]
    print(encoded.hex(), flush=True)
