#!/usr/bin/env python3
"""browse.py COLLECTION DIRECTORY - fetches the thumb of every image of a collection that is ready."""
import os
import pathlib
import sys

import requests

URL = os.environ["DARKROOM_URL"]
session = requests.Session()
session.trust_env = False                      # or REQUESTS_CA_BUNDLE would win over the next line
session.verify = os.environ["DARKROOM_CA"]
session.headers["Authorization"] = "Bearer " + os.environ["DARKROOM_KEY"]


def images(**filters):
    """Newest first, page after page; a page that is full names the next one."""
    while True:
        reply = session.get(URL + "/v1/images", params=filters, timeout=60)
        reply.raise_for_status()
        page = reply.json()
        yield from page["images"]
        if "next_cursor" not in page:
            return
        filters["cursor"] = page["next_cursor"]


directory = pathlib.Path(sys.argv[2])
directory.mkdir(parents=True, exist_ok=True)
for image in images(collection=sys.argv[1], state="ready", limit=2):
    reply = session.get(URL + image["links"]["thumb"], timeout=60)
    if reply.status_code == 410:               # its second came between the list and now
        continue
    reply.raise_for_status()
    target = directory / (image["id"] + ".jpg")
    target.write_bytes(reply.content)
    print(target, image["meta"].get("camera", "-"), image["meta"]["dominant_colour"], image["expires_at"])
