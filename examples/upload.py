#!/usr/bin/env python3
"""upload.py FILE... - uploads images so that nothing is lost and nothing is stored twice.

The digest proves that the bytes arrived whole; the Idempotency-Key makes a retry return the first answer; the
image is durable once the answer is 201, and not before."""
import base64
import hashlib
import os
import pathlib
import sys
import time
import uuid

import requests

URL = os.environ["DARKROOM_URL"]
session = requests.Session()
session.trust_env = False                      # or REQUESTS_CA_BUNDLE would win over the next line
session.verify = os.environ["DARKROOM_CA"]
session.headers["Authorization"] = "Bearer " + os.environ["DARKROOM_KEY"]


def upload(path, tries=6):
    data = path.read_bytes()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Repr-Digest": f"sha-256=:{digest}:"}
    for attempt in range(tries):
        wait = 2 ** attempt / 4
        try:
            reply = session.post(URL + "/v1/images", params={"name": path.name, "wait": "processed"}, data=data,
                                 headers=headers, timeout=120)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(wait)
            continue
        if reply.status_code not in (429, 503, 507):
            break
        time.sleep(float(reply.headers.get("Retry-After", wait)))
    else:
        raise SystemExit(f"{path}: the server could not take it")
    if reply.status_code != 201:
        raise SystemExit(f"{path}: {reply.json()['detail']}")
    return reply.json()


for name in sys.argv[1:]:
    image = upload(pathlib.Path(name))
    print(image["id"], image["state"], image["expires_at"], name)
