#!/usr/bin/env python3
"""erase.py ID... - erases images now, before their time, and shows the receipt of each.

When DELETE answers 204, the image's key is overwritten on disk, synced and read back: nothing opens it."""
import json
import os
import sys

import requests

URL = os.environ["DARKROOM_URL"]
session = requests.Session()
session.trust_env = False                      # or REQUESTS_CA_BUNDLE would win over the next line
session.verify = os.environ["DARKROOM_CA"]
session.headers["Authorization"] = "Bearer " + os.environ["DARKROOM_KEY"]


def last_receipt():
    """Receipts come oldest first, a page at a time."""
    last, after = None, 0
    while True:
        page = session.get(URL + "/v1/receipts", params={"after": after}, timeout=60).json()
        if not page:
            return last
        last = json.loads(page[-1]["body"])
        after = last["number"]


for image_id in sys.argv[1:]:
    reply = session.delete(f"{URL}/v1/images/{image_id}", timeout=60)
    if reply.status_code != 204:
        raise SystemExit(f"{image_id}: {reply.json()['detail']}")
    gone = session.get(f"{URL}/v1/images/{image_id}", timeout=60)
    receipt = last_receipt()
    print(image_id, gone.status_code,
          f"receipt {receipt['number']}: {receipt['kind']} at {receipt['destroyed_at']}")
