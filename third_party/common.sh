# common.sh - what third_party/fetch and third_party/build share; sourced, not run.
#
# The cache, outside the checkout:
#   apt/SUITE-TYPE/       a private apt root: lists and configuration of one suite
#   files/NAME-KEY/       the files of one package as apt verified them
#   taken/NAME-KEY        one line: name version suite sha256 file.  KEY is a digest of the component's line
#   built/NAME-KEY/       include/ and lib/ (or src/) of one component.  KEY is a digest of all that made it

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DARKROOM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/darkroom}

say() { printf '%s\n' "third_party: $*" >&2; }
die() { say "$*"; exit 1; }

# Prints the components, one a line, comments and blanks removed, columns joined by single bars.
components() { sed -E '/^[[:space:]]*(#|$)/d; s/[[:space:]]*\|[[:space:]]*/|/g' "$here/components"; }

# digest: the first 16 hexadecimal digits of the SHA-256 of standard input
digest() { local sum; sum=$(sha256sum); printf '%s' "${sum:0:16}"; }

# taken_file NAME LINE: where the record of what was taken for this line is kept
taken_file() { printf '%s' "$cache/taken/$1-$(printf '%s' "$2" | digest)"; }
