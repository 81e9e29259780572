"""Types a line into the time server's page, in a real browser, and prints the first answer that the page shows.

Usage: browser.py URL LINE DIRECTORY; the browser keeps its files in the directory."""

import json
import subprocess
import sys
import urllib.request

url, line, directory = sys.argv[1:]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
OPTIONS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage""".split()

driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)


def call(path, value=None, method="POST"):
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["value"]


def find(selector):
    return call("/element", {"using": "css selector", "value": selector})[ELEMENT]


try:
    # ChromeDriver was started successfully on port 12345.
    started = next(text for text in driver.stdout if "successfully on port" in text)
    base = "http://127.0.0.1:" + started.split()[-1].rstrip(".") + "/session"
    options = {"args": OPTIONS + ["--user-data-dir=" + directory]}
    capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
    base += "/" + call("", {"capabilities": capabilities})["sessionId"]
    try:
        # Whatever is looked for may take so long to appear.
        call("/timeouts", {"implicit": 30_000})
        call("/url", {"url": url})
        button = find("button:enabled")
        call(f"/element/{find('input')}/value", {"text": line})
        call(f"/element/{button}/click", {})
        print(call(f"/element/{find('li')}/text", method="GET"), flush=True)
    finally:
        call("", method="DELETE")
finally:
    driver.terminate()
    driver.wait()
