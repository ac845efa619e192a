#!/bin/sh
# Every small program says what it is for, refuses what it does not know, and writes no file by
# either; and it fails when what it prints does not arrive. For this the arguments after the folder
# are those of commands that end quickly, a word a command; without any it is the program alone.
commands=$(shift 2 && printf '%s\n' "$@")
set -- "$1" "$2"
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
while read -r words; do
    # shellcheck disable=SC2086
    full "$program" $words
done <<END
$commands
END
finish
