#!/usr/bin/env python3
"""analyse.py MIN_WIDTH - counts images by camera; a key with role analyst will do."""
import os
import sys

import requests

QUERY = """
SELECT coalesce(camera, 'unknown') AS camera, count(*) AS images, round(avg(brightness), 3) AS brightness,
       min(expires_at) AS first_to_go
  FROM v1_images
 WHERE width >= ?1 AND state = 'ready'
 GROUP BY 1 ORDER BY images DESC, camera LIMIT 20
"""

reply = requests.post(os.environ["DARKROOM_URL"] + "/v1/sql",
                      json={"sql": QUERY, "parameters": [int(sys.argv[1])]},
                      headers={"Authorization": "Bearer " + os.environ["DARKROOM_KEY"]},
                      verify=os.environ["DARKROOM_CA"], timeout=30)
if reply.status_code != 200:
    raise SystemExit(reply.json()["detail"])
answer = reply.json()
print("\t".join(column["name"] for column in answer["columns"]))
for row in answer["rows"]:
    print("\t".join("" if cell is None else str(cell) for cell in row))
