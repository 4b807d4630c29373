#!/bin/sh
# upload.sh FILE [COLLECTION] - uploads one image; prints its id and the second at which it is destroyed.
set -eu
key=$(sha256sum "$1" | cut -c 1-32)        # the same file again, within its life, is the same image

curl --fail-with-body --silent --show-error --retry 3 --cacert "$DARKROOM_CA" \
	--header "Authorization: Bearer $DARKROOM_KEY" \
	--header "Idempotency-Key: upload-$key" \
	--header "Content-Type: application/octet-stream" \
	--data-binary "@$1" \
	"$DARKROOM_URL/v1/images?collection=${2:-default}" |
	sed -E 's/.*"id":"([^"]*)".*"expires_at":"([^"]*)".*/\1 \2/'
