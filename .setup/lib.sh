# shellcheck shell=sh
# What the set-up scripts share. Sourced by each of them; does nothing by itself.
#
# Everything they make lies under .deps/. A finished piece has a stamp: a digest of the pins it was made from, so a
# second run only compares. A piece is made aside and moved into place, and one lock lets two runs share a folder.
set -eu

setup=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$setup")
deps=$root/.deps
# shellcheck disable=SC2034 # used by those who source this
python=${PYTHON:-python3}

say() { printf '%s\n' "set-up: $*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# sha256 FILE...: one digest over the files, in the order given (a file alone: its own sha256).
sha256() {
	if have sha256sum; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -d ' ' -f 1
}

# current NAME DIGEST FILE...: is the piece there, made from these pins?
current() {
	stamp=$deps/stamps/$1
	digest=$2
	shift 2
	for file; do [ -e "$file" ] || return 1; done
	[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ]
}

# finished NAME DIGEST: writes the stamp, last of all.
finished() {
	mkdir -p "$deps/stamps"
	printf '%s\n' "$2" >"$deps/stamps/$1.new"
	mv -f "$deps/stamps/$1.new" "$deps/stamps/$1"
}

# begin NAME: takes the lock and makes an empty work folder, $work, that goes away with the script.
begin() {
	mkdir -p "$deps/build" "$deps/lib"
	if have flock; then
		exec 9>"$deps/.lock"
		flock -n 9 || { say "$1: waiting for another set-up to finish"; flock 9; }
	fi
	work=$(mktemp -d "$deps/build/$1.XXXXXX")
	trap 'rm -rf "$work"; rmdir "$deps/build" 2>/dev/null || :' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}
