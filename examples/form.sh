#!/bin/sh
# form.sh COLLECTION FILE... - uploads several images in one request; prints one line of JSON.
# The server answers 201 when all were taken, 207 when some were refused; each entry of "files" has a status.
set -eu
collection=$1
shift

# The collection comes before the files, for the server reads the form once, as it arrives.
for file; do
	set -- "$@" --form "file=@$file"
	shift
done
curl --fail-with-body --silent --show-error --cacert "$DARKROOM_CA" \
	--header "Authorization: Bearer $DARKROOM_KEY" \
	--form "collection=$collection" "$@" \
	"$DARKROOM_URL/v1/images"
echo
