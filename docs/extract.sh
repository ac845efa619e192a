#!/bin/sh
# The C blocks of a page, in order, as one program: every line of code in the documentation is compiled.
#     extract.sh PAGE > PROGRAM.c
set -eu
name=$(basename "$1")
awk -v name="$name" '
    /^```c$/ { inside = 1; printf "#line %d \"%s\"\n", NR + 1, name; next }
    /^```/ { inside = 0 }
    inside { print }' "$1"
