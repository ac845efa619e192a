#!/bin/sh
# Every small program says what it is for, refuses what it does not know, and writes no file by
# either.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/programs.sh"
mkdir "$work/empty"
cd "$work/empty" || exit 1

is "--help" "$program" --help
is "says how it is called" grep -q "^Usage: $(basename "$program") " "$work/.out"
is "-h" "$program" -h
refuses 2 "unknown option --hlep; did you mean --help" --hlep
refuses 2 "unknown option --loud" --loud
full "$program" --help
is "nothing was written" test -z "$(ls -A)"
finish
