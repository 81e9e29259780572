"""Asks a server for its metrics, and parses them by Prometheus's own rules: metrics.py URL NAME... prints these samples."""

import sys
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

url, names = sys.argv[1], sys.argv[2:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for accept, parse in [("application/openmetrics-text; version=1.0.0", parse_openmetrics), ("text/plain", parse_text)]:
    with opener.open(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith(accept.split(";")[0]), answer.headers
        families = list(parse(answer.read().decode()))
    without_help = [family.name for family in families if not family.documentation]
    assert not without_help, without_help
    for sample in (sample for family in families for sample in family.samples):
        if sample.name in names:
            print(accept.split(";")[0], sample.name, *(f"{name}={value}" for name, value in sample.labels.items()), sample.value)
