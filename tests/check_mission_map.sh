#!/bin/sh
# docs/mission-map.md names functions, files, tests, ops, modules and sections: every one of them must be there.
# Run from anywhere; prints what is not.
set -eu
cd "$(dirname "$0")/.."
page=docs/mission-map.md

# What stands in backticks in the tables, a line each: its idea and the name.
list_names() {
    awk -F'|' '/^\| M/ {
        idea = $2
        gsub(/ /, "", idea)
        count = split($0, part, "`")
        for (i = 2; i <= count; i += 2)
            print idea, part[i]
        if (count % 2 == 0)
            print idea, "an-odd-backtick"
    }' $page
}

# A word of the public interface.
is_public() {
    grep -qw -e "$1" core/heed.h core/operations.h core/params.h core/op.h nn/*.h optim/optim.h
}

report=$(
    file=
    list_names | while read -r idea kind name; do
        case $kind in
        test_*)
            file=tests/$kind.c
            [ -f "$file" ] && grep -q "'$kind'" tests/meson.build || echo "$idea: there is no test program $kind"
            continue
            ;;
        op) grep -q "HEED_DEFINE_OP($name)" core/ops/*.c || echo "$idea: there is no op $name" ;;
        gradcheck) grep -q "{ \"$name\"," examples/gradcheck/*.c || echo "$idea: gradcheck has no $name" ;;
        worked_example)
            grep -q -e "^ *{ \"$name\",\$" -e "^ *{ \"$name\", {" examples/worked_example/main.c ||
                echo "$idea: worked_example has no section $name"
            ;;
        heed_* | HEED_*) is_public "$kind" || echo "$idea: no header has $kind" ;;
        */*) [ -f "$kind" ] || echo "$idea: there is no file $kind" ;;
        *)
            if [ -z "$file" ]; then
                echo "$idea: $kind follows no test program"
            elif ! grep -q "^START_TEST($kind)" "$file" || ! grep 'tcase_add_' "$file" | grep -qw "$kind"; then
                echo "$idea: $file runs no test $kind"
            fi
            continue
            ;;
        esac
        file=
    done
    grep -o '^| M[0-9]*' $page | sort | uniq -d | sed 's/$/ has two lines/'
)
if [ -n "$report" ]; then
    echo "$report"
    echo "$page names what is not there."
    exit 1
fi
echo "$(list_names | wc -l | tr -d ' ') names of $(grep -c '^| M' $page) ideas are there"
