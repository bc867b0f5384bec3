"""As much of curl as the commands in the README and the demo use: credentials, a body, an address."""

import argparse
import base64
import sys
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("-sS", action="store_true")
parser.add_argument("-u", dest="user")
parser.add_argument("-d", dest="body")
parser.add_argument("url")
given = parser.parse_args()
headers = {"Authorization": "Basic " + base64.b64encode(given.user.encode()).decode()} if given.user else {}
request = urllib.request.Request(given.url, given.body.encode() if given.body else None, headers)  # noqa: S310
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(request, timeout=20) as answer:
        sys.stdout.write(answer.read().decode())
except urllib.error.HTTPError as error:
    sys.stdout.write(error.read().decode())
