#!/bin/sh
# attention_maps makes its folder, or says at once that it cannot, and writes every map in every format.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/programs.sh"
cd "$work" || exit 1

refuses 2 "FOLDER must say"
is "a folder in a folder" "$program" new/maps
for what in training writing alignment; do
    for ending in csv json svg html; do
        is "$what.$ending" test -s "new/maps/$what.$ending"
    done
done
is "a folder that is there" "$program" new/maps
: >file
refuses 1 "file" file
refuses 1 "file" file/below
finish
