#!/bin/sh
# Looking at attention: a table, a heat map, files; rows of text and rows of what is written.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 20

is "a text" "$gpt" attend --model run "line 5" --attention a.json
cp .out table
is "a table with a line for each head" test "$(grep -c '^blocks\.[0-9]*\.attention  *[0-9]' table)" -ge 1
is "a heat map with its name" grep -q "^blocks.0.attention, head 0" table
is "labels are the tokens" grep -q '"query_labels": \["l", "i", "n", "e", "␣", "5"\]' a.json
is "six queries, six keys" grep -q '"queries": 6, "keys": 6' a.json

# Token by token through the cache gives the rows of the whole text at once.
"$gpt" attend --model run "li" --tokens 4 --attention steps.csv >/dev/null
written=$(awk -F'[,"]' '$2 == "blocks.0.attention" && $4 == 0 && $5 == 5 { printf "%s", $11 }' steps.csv |
    sed 's/␣/ /g')
"$gpt" attend --model run "$written" --attention whole.csv >/dev/null
is "as many weights" test "$(wc -l <steps.csv)" -eq "$(wc -l <whole.csv)"
close() {
    paste -d, steps.csv whole.csv | awk -F, 'NR > 1 { d = $7 - $14; if (d > 1e-5 || d < -1e-5 || $4 != $11) exit 1 }'
}
is "and the same ones" close

for ending in html svg csv json; do
    is "$ending" "$gpt" attend --model run line 5 --attention "b.$ending"
    is "$ending is there" test -s "b.$ending"
done
refuses 2 "no text" attend --model run
refuses 2 "\.html, \.svg, \.csv or \.json, not 'x.png'" attend --model run "line" --attention x.png
refuses 1 "counted from 0" attend --model run "line" --layer 99
refuses 1 "counted from 0" attend --model run "line" --head 99
refuses 1 "the text: " attend --model run "what?!"
refuses 1 "are not within the" attend --model run "line" --tokens 5000
refuses 1 "has no tokens" attend --model run ""
refuses 1 "nowhere" attend --model nowhere "line"
finish
