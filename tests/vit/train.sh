#!/bin/sh
# From images to a judged model: made digits, lines of numbers, IDX files.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/vit/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

is "made digits" "$vit" train --width 32 --layers 2 --epochs 5 --dropout 0 --out made
is "one line an epoch" test "$(grep -c '^epoch .* loss .* dev loss .* accuracy' .out)" -eq 5
is "the folder is complete" test -s made/model.safetensors -a -s made/config.json
# accuracy FROM: of the test, at least that.
accuracy() {
    sed -n 's/^test: .* accuracy \([0-9.]*\),.*/\1/p' .out | awk -v from="$1" '{ n = $1 } END { exit !(n >= from) }'
}
is "it has learned" accuracy 0.6
is "a row for each class" test "$(grep -c ' %$' .out)" -eq 10

# shellcheck disable=SC2086
is "training" "$vit" train $tiny --out one --seed 7
# shellcheck disable=SC2086
is "the same again" "$vit" train $tiny --out two --seed 7 --threads 2
is "has the same bits" cmp one/model.safetensors two/model.safetensors

# Images of 2 x 2: one pixel is bright, and says the class.
awk 'BEGIN {
    print "a,b,c,d,class"
    for (i = 0; i < 200; i++) {
        k = i % 4
        for (p = 0; p < 4; p++) printf "%d,", p == k ? 12 + i % 5 : i % 3
        print k
    }
}' >dots.csv
is "lines of numbers" "$vit" train --train dots.csv --test dots.csv --patch 1 --width 16 \
    --layers 1 --warp 0 --epochs 20 --batch 16 --warmup 5 --mean --out dots
is "all are told apart" accuracy 1
next_works eval
is "eval" "$vit" eval --model dots --test dots.csv
is "counts all" grep -q "^images  *200" .out
is "eval --json" "$vit" eval --model dots --test dots.csv --json
is "one object" grep -q '^{"images":200,"accuracy":1,"loss":[0-9.e-]*}$' .out
tail -n +2 dots.csv | awk '{ printf "%s\r\n", $0 }' >bare.csv
is "no line of names, ends of lines as DOS" "$vit" eval --model dots --test bare.csv --json
is "the same object" grep -q '"images":200,"accuracy":1,' .out

# The same as IDX.
idx() {
    printf '\000\000\010\003\000\000\000\310\000\000\000\002\000\000\000\002'
    tail -n +2 dots.csv | awk -F, '{ for (p = 1; p < 5; p++) printf "\\0%03o", $p }' | xargs -0 printf '%b'
}
idx_labels() {
    printf '\000\000\010\001\000\000\000\310'
    tail -n +2 dots.csv | awk -F, '{ printf "\\0%03o", $5 }' | xargs -0 printf '%b'
}
idx >dots-images-idx3-ubyte
idx_labels >dots-labels-idx1-ubyte
is "IDX has the sizes it says" test "$(wc -c <dots-images-idx3-ubyte)" -eq 816 -a \
    "$(wc -c <dots-labels-idx1-ubyte)" -eq 208
is "IDX" "$vit" eval --model dots --test dots-images-idx3-ubyte --json
is "the same object" grep -q '"images":200,"accuracy":1,' .out
# shellcheck disable=SC2086
is "training on IDX" "$vit" train $tiny --patch 1 --train dots-images-idx3-ubyte --out idx

# Real digits, where they are at hand.
if [ -f "${HEED_DATA:-}/optdigits.train.csv" ]; then
    is "optdigits" "$vit" train --epochs 3 --warp 0 --dropout 0 --train "$HEED_DATA/optdigits.train.csv" \
        --test "$HEED_DATA/optdigits.test.csv" --out digits
    is "are learned" accuracy 0.85
else
    pass "optdigits # SKIP HEED_DATA names no folder with optdigits.train.csv"
fi
finish
