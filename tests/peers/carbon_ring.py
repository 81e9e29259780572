"""Prints to which node carbon's own ring sends each metric of standard input. Usage: carbon_ring.py HOST:INSTANCE..."""

import sys

from carbon.hashing import ConsistentHashRing

nodes = [tuple(node.split(":")) for node in sys.argv[1:]]
nodes = [(host, instance or None) for host, instance in nodes]
ring = ConsistentHashRing(nodes)
for metric in sys.stdin:
    print(nodes.index(ring.get_node(metric.rstrip("\n"))))
