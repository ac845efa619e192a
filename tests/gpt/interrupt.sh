#!/bin/sh
# Ctrl-C: the first one saves and says how to go on, and nothing is missing when it does.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
options="$tiny --data text --steps 20000 --eval-every 1000 --threads 1"

# shellcheck disable=SC2086
"$gpt" train $options --out run >out 2>err &
pid=$!
waited=0
until [ -s run/log.jsonl ] || [ $waited -ge 200 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
wait $pid
is "an interrupted run ends with 130" test $? -eq 130
is "and says how to go on" grep -q "train --resume --out run" out
is "and complains of nothing" test ! -s err
steps=$(wc -l <run/log.jsonl | tr -d ' ')
is "it stopped early" test "$steps" -lt 20000
is "it can write" "$gpt" sample --model run --tokens 20
is "it can go on" "$gpt" train --resume --out run --steps $((steps + 10)) --progress none
is "without a gap" test "$(wc -l <run/log.jsonl)" -eq $((steps + 10))

# shellcheck disable=SC2086
"$gpt" train $options --out twice --eval-batches 1000000 --eval-every 1 >out 2>err &
pid=$!
waited=0
until [ -e twice/log.jsonl ] || [ $waited -ge 200 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
sleep 0.1
kill -INT $pid
wait $pid
is "a second one quits in the middle of a long evaluation" test $? -eq 130
is "and what was saved is good" "$gpt" sample --model twice --tokens 5

# shellcheck disable=SC2086
"$gpt" train $options --out timed --minutes 0.002 --progress plain >out 2>err
is "--minutes ends with 0" test $? -eq 0
is "and says how to go on" grep -q "train --resume --out timed" out
finish
