#!/bin/sh
# What is asked for is done: options reach the numbers that they are about, and figures are those
# that can be counted by other means.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/translate/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1
tiny="$tiny --warmup 1"

# numbers_of OPTIONS...: of a tiny training with them.
numbers_of() {
    rm -rf tried
    # shellcheck disable=SC2086
    "$translate" train $tiny "$@" --out tried >/dev/null && cksum <tried/model.safetensors
}

# matters "OPTIONS" "MORE": with more options the same training comes to other numbers.
matters() {
    # shellcheck disable=SC2086
    numbers_of $1 >without && numbers_of $1 $2 >with && ! cmp -s without with
}
is "the same comes to the same" test "$(numbers_of --model gru)" = "$(numbers_of --model gru)"
for option in "--smoothing 0.2" "--dropout 0.3" --reverse --input-feeding "--clip 0.01" "--lr 1e-2" \
    "--min-lr 1e-3" "--warmup 3" "--schedule constant" "--batch 32" "--seed 2" "--layers 2" \
    "--attention-entropy 0.1" "--embedding 9" "--hidden 9" "--vocabulary words" "--task dates" "--count 301"; do
    is "$option" matters "--model luong-dot" "$option"
done
for option in "--smoothing 0.2" "--dropout 0.3" "--heads 2" "--forcing never"; do
    is "transformer $option" matters "--model transformer" "$option"
done
is "dates --lower" matters "--model gru --task dates" --lower
for model in rnn gru lstm bahdanau luong-general luong-concat; do
    is "$model --reverse" matters "--model $model" --reverse
done

: >rates
for forcing in constant linear exponential inverse-sigmoid never; do
    numbers_of --model luong-dot --forcing $forcing >>rates
done
is "five ways of withdrawing the teacher" test "$(sort -u rates | wc -l)" -eq 5
is "never is hardly ever" test "$(tail -n 1 rates)" = \
    "$(numbers_of --model luong-dot --forcing-first 1e-300)"
metric="--model luong-dot --epochs 2 --forcing metric --forcing-threshold"
is "a threshold that is reached after an epoch" matters "$metric 1" "--forcing-threshold 0"
is "and no sooner" test "$(numbers_of --model luong-dot --forcing metric --forcing-threshold 0)" = \
    "$(numbers_of --model luong-dot)"
is "--forcing-least" matters "$metric 0" "--forcing-least 0.5"

# entropy NUMBER MODEL: the mean entropy of what looks at the source, in nats, after a training with
# --attention-entropy NUMBER.
entropy() {
    rm -rf tried
    "$translate" train --model "$2" --count 600 --hidden 16 --embedding 8 --epochs 3 --lr 1e-2 --warmup 1 \
        --attention-entropy "$1" --out tried >/dev/null &&
        "$translate" run --model tried --attention tried.csv \
            "three hundred twenty-one million fifty thousand six" >/dev/null &&
        awk -F, '/^"sentence 1(.decoder.*cross_attention)?"/ { row[$1 "," $2 "," $3]; if ($NF > 0) sum -= $NF * log($NF) }
            END { for (i in row) n++; print sum / n }' tried.csv
}
for model in bahdanau transformer; do
    is "$model looks about, or at one place" awk -v sharp="$(entropy 5 $model)" -v plain="$(entropy 0 $model)" \
        -v spread="$(entropy -5 $model)" 'BEGIN {
            exit !(sharp > 0 && sharp < 0.8 * plain && plain < spread) }'
done

# A model that is half trained, whose searches find different things.
is "half a training" "$translate" train --model gru --count 2000 --hidden 32 --embedding 16 \
    --epochs 4 --lr 1e-2 --out half

# value KEY FILE: of what eval --json has printed.
value() {
    tr -d '{}"' <"$2" | tr ',' '\n' | sed -n "s/^$1://p"
}

# search NAME OPTIONS...: what eval, compare and run come to with them agrees.
search() {
    name=$1
    shift
    "$translate" eval --model half --json "$@" >"$name.json" || return 1
    "$translate" compare half "$@" >"$name.table" || return 1
    cut -f1 half/test.tsv >sources
    "$translate" run --model half "$@" <sources >"$name.text" || return 1
    awk '$1 == "all" { print $4, $3 }' "$name.table" >counted
    printf '%.4f %.4f\n' "$(value token_accuracy "$name.json")" \
        "$(value exact_match "$name.json")" >judged
    cmp counted judged || return 1
    # What it writes, taken as references, is what it writes (but for spaces at the end).
    paste sources "$name.text" | awk -F'\t' '$2 != ""' >"$name.tsv"
    "$translate" eval --model half --json "$@" --pairs "$name.tsv" >own
    value chrf own | awk '{ exit !($1 > 99.9) }'
}
is "a greedy search" search greedy
is "with a beam" search beam --beam 6
is "with a penalty" search penalty --beam 6 --length-penalty 3
for how in json table text; do
    is "three different searches: $how" test "$(cat greedy.$how beam.$how penalty.$how |
        awk -v how=$how 'how != "table" || $1 == "all"' | sort -u | wc -l)" -ge 3
done
is "no text like another" sh -c "! cmp -s greedy.text beam.text && ! cmp -s beam.text penalty.text"
is "perplexities are those of the same references" test \
    "$(value ppl_forced greedy.json) $(value ppl_free greedy.json)" = \
    "$(value ppl_forced penalty.json) $(value ppl_free penalty.json)"
is "without the teacher they are higher" sh -c \
    "[ $(value ppl_free greedy.json | cut -d. -f1) -gt $(value ppl_forced greedy.json | cut -d. -f1) ]"

# scores NAME OPTIONS...: the sum of what the best translations of all sentences score.
scores() {
    "$translate" run --model half --best 1 "$@" <sources | awk -F'\t' '{ sum += $2 } END { print sum }'
}
is "a wider search finds what is likelier" awk -v greedy="$(scores)" -v beam="$(scores --beam 6)" \
    'BEGIN { exit !(beam > greedy + 1) }'
is "a penalty divides" awk -v greedy="$(scores)" -v penalty="$(scores --length-penalty 1)" \
    'BEGIN { exit !(penalty > greedy + 1) }'

# One row for each number of words, with as many pairs as sources of so many words.
awk 'NF == 9 || NF == 4' greedy.table | awk '$1 ~ /^[0-9]+$/ { print $1, $2 }' >rows
awk -F'\t' '{ n[split($1, words, " ")]++ } END { for (i in n) print i, n[i] }' half/test.tsv |
    sort -n >counts
is "several lengths" test "$(wc -l <counts)" -ge 8
is "rows of compare" cmp rows counts

# Of long sources the references are what the one model writes, of short ones what neither does.
is "a model with attention" "$translate" train --model luong-dot --count 300 --hidden 32 \
    --embedding 8 --epochs 1 --out attending
awk -F'\t' '{ if (split($1, words, " ") < 7) print $1 "\tx"; else if ($2 !~ / $/) print }' \
    greedy.tsv >long.tsv
awk -F'\t' 'split($1, words, " ") < 7' greedy.tsv >short.tsv
is "what attention is worth" "$translate" compare attending half --pairs long.tsv
is "is counted from seven words on" grep -qx "hidden 32: on seven words and more, 0.0 % with attention (lowest), 100.0 % without (highest): attention is 100.0 points below." .out
is "and without so long ones" "$translate" compare attending half --pairs short.tsv
is "is not said" test "$(grep -c "^hidden" .out)" -eq 0
finish
