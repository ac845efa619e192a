#!/bin/sh
# From sentences to filled in words: a model learns, is judged, classifies, and fills in.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/bert/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

is "training" "$bert" train --width 32 --steps 400 --lr 2e-3 --every 100 --labelled 0 --out run
is "a line each hundred steps" test "$(grep -c '^step .* loss .* held out .* found .* verbs agree' .out)" -eq 4
# From the first look to the last the held-out loss falls by 0.3 nats, and three words of ten are found.
learned() {
    awk '/^step/ { for (i = 1; i < NF; i++) {
             if ($i == "held") { last = $(i + 2); if (!first) first = last }
             if ($i == "found") found = $(i + 1) } }
         END { exit !(last < first - 0.3 && last < 2.3 && found > 0.3) }' .out
}
is "it has learned" learned
next_works fill
is "the folder is complete" test -s run/model.safetensors -a -s run/config.json -a -s run/vocabulary.json
is "fill" "$bert" fill --model run "the cats near the dog [MASK] [MASK]" --best 3
is "three words for each mark" test "$(grep -c '^  .* %, .* %, .* %$' .out)" -eq 2
is "and the whole" grep -q "^  the cats near the dog [a-z]* [a-z]*$" .out
is "words as they come" "$bert" fill the "[MASK]" --model=run --best 100 sees the unheard-of
"$bert" fill --model run the "[MASK]" sees the unheard-of cats >out 2>err
is "unknown words are named" grep -qx "bert fill: the model does not know the words 'unheard', '-' and 'of'" err
# shellcheck disable=SC2086
is "classifying" "$bert" train $tiny --seed 3 --out one
cp .out trained
# shellcheck disable=SC2086
is "options without a command are those of train" "$bert" $tiny --seed 3
is "and say the same" sh -c "head -n 5 .out >a; head -n 5 trained >b; cmp a b"
is "three starts" test "$(grep -c '^  \(from scratch\|trained before, frozen\|trained before\)  *[01]\.' .out)" -eq 3
# shellcheck disable=SC2086
is "the same again" "$bert" train $tiny --seed 3 --out two --threads 2
is "has the same bits" cmp one/model.safetensors two/model.safetensors
for positions in learned sinusoidal rotary alibi relative none; do
    # shellcheck disable=SC2086
    is "positions $positions" "$bert" train $tiny --post-norm --dropout 0.1 --positions $positions --out "at-$positions"
    is "filled in" "$bert" fill --model "at-$positions" "the [MASK] sees"
done
awk 'BEGIN { printf "\357\273\277"; for (i = 0; i < 30; i++) print "one two three four", i % 7, "고양이"; print "  " }' >lines.txt
# shellcheck disable=SC2086
is "lines of a file" "$bert" train $tiny --data lines.txt --longest 6 --out lines
is "no byte order mark among them" test "$(grep -c "$(printf '\357\273\277')" lines/vocabulary.json)" -eq 0
is "its own task" grep -q "^Are two neighbours exchanged" .out
is "its own words" "$bert" fill --model lines "one two [MASK] four"
finish
