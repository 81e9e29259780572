"""Opens a page in a real browser, and does with it what standard input says.

Usage: browser.py URL DIRECTORY [OPTION]...; the browser keeps its files in the directory, and takes the options.

A line of standard input is an array in JSON, and is answered by a line with its result:
["keys", SELECTOR, TEXT] types with the keyboard, ["click", SELECTOR] clicks;
["value", SCRIPT] is what a body of JavaScript returns, ["wait", SCRIPT] the first that it returns and is true;
["complaints"] is what the browser has said about the page since the last time;
["tool", NAME, {PARAMETER: VALUE}] is a command of Chromium's developer tools;
["shot", FILE] takes a picture."""

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

url, directory, *options = sys.argv[1:]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
OPTIONS = """--headless --no-sandbox --no-zygote --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars""".split()
PATIENCE = 30


def start():
    """The driver, and its address, which is in: ChromeDriver was started successfully on port 12345."""
    for _ in range(20):
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        started = next((text for text in driver.stdout if "successfully on port" in text), None)
        if started:
            return driver, "http://127.0.0.1:" + started.split()[-1].rstrip(".") + "/session"
        # The port that was free for IPv4 was not for IPv6.
        driver.wait()
    sys.exit("chromedriver does not start")


def call(path, value=None, method="POST"):
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2 * PATIENCE) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error)["value"]["message"])


def find(selector):
    return "/element/" + call("/element", {"using": "css selector", "value": selector})[ELEMENT]


def value(script):
    return call("/execute/sync", {"script": script, "args": []})


def wait(script):
    end = time.monotonic() + PATIENCE
    while not (result := value(script)):
        if time.monotonic() > end:
            sys.exit(f"this does not come true: {script}\n{value('return document.body.innerText')}")
        time.sleep(0.02)
    return result


def complaints():
    return [entry["message"] for entry in call("/se/log", {"type": "browser"})]


def shot(file):
    with open(file, "wb") as picture:
        picture.write(base64.b64decode(call("/screenshot", method="GET")))


DO = {
    "keys": lambda selector, text: call(find(selector) + "/value", {"text": text}),
    "click": lambda selector: call(find(selector) + "/click", {}),
    "value": value,
    "wait": wait,
    "complaints": complaints,
    "tool": lambda name, parameters: call("/goog/cdp/execute", {"cmd": name, "params": parameters}),
    "shot": shot,
}

driver, base = start()
try:
    arguments = {"args": OPTIONS + options + ["--user-data-dir=" + directory]}
    capabilities = {"browserName": "chrome", "goog:chromeOptions": arguments, "goog:loggingPrefs": {"browser": "ALL"}}
    base += "/" + call("", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
    try:
        call("/url", {"url": url})
        for line in sys.stdin:
            name, *rest = json.loads(line)
            print(json.dumps(DO[name](*rest)), flush=True)
    finally:
        call("", method="DELETE")
finally:
    driver.terminate()
    driver.wait()
