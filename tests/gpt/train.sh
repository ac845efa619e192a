#!/bin/sh
# What training writes: a log with every field, a loss that falls, files for others; and that
# it stops where numbers are no longer finite.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1

# field STEP NAME: a number of the log.
field() {
    sed -n "$1s/.*\"$2\":\([^,}]*\).*/\1/p" run/log.jsonl
}

# less A B: A < B, as numbers.
less() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && b != "" && a + 0 < b + 0) }'
}

# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 150 --eval-every 40 --lr 1e-2 \
    --min-lr 1e-3 --warmup 9
number='[-0-9.e+]*'
line="{\"step\":[0-9]*,\"train_loss\":$number,\"lr\":$number,\"grad_norm\":$number"
line="$line,\"ms\":$number,\"tokens_per_s\":$number\(,\"val_loss\":$number\)\{0,1\}}"
is "a line a step" test "$(grep -c "^$line$" run/log.jsonl)" -eq 150
is "evaluated when it should be" test \
    "$(sed -n 's/.*"step":\([0-9]*\),.*val_loss.*/\1/p' run/log.jsonl | tr '\n' ' ')" = \
    "40 80 120 150 "
is "the rate rises" test "$(field 1 lr)" = 0.001
is "to its height" test "$(field 10 lr)" = 0.01
is "and falls" less "$(field 150 lr)" 0.00101
is "the loss falls" less "$(field 150 train_loss)" "$(field 1 train_loss)"
is "on what was held out too" less "$(field 150 val_loss)" "$(field 40 val_loss)"
for file in checkpoint.safetensors model.safetensors config.json tokenizer.json; do
    is "$file" test -s "run/$file"
done
# What editors put into a text does not show: U+FEFF, and CR before LF.
{ printf '\357\273\277'; sed "s/\$/$(printf '\r')/" text; } >text.dos
# shellcheck disable=SC2086
is "a text as DOS has it" "$gpt" train $tiny --data text.dos --out dos --steps 150 --eval-every 40 \
    --lr 1e-2 --min-lr 1e-3 --warmup 9
cp .err err
is "gives the same bits" cmp run/model.safetensors dos/model.safetensors
is "and says why" grep -qx "gpt train: .*/text.dos: 500 line ends of CR and LF read as LF alone" err
is "it goes on" "$gpt" train --resume --out dos --steps 151 --progress none
"$gpt" eval --model run --data text --json >a 2>err
"$gpt" eval --model run --data text.dos --json >b 2>>err
is "eval" cmp a b
is "says so too" grep -qx "gpt eval: text.dos: 500 line ends of CR and LF read as LF alone" err
printf '\rone\rtwo\357\273\277\r' >lone
cat text lone >text.lone
"$gpt" eval --model run --data text.lone >a 2>err
is "a CR alone is a character" grep -q "U+000D" err
# shellcheck disable=SC2086
is "bytes are exact" "$gpt" train $tiny --data text.dos --tokenizer bytes --out exact --steps 2
cp .err err
is "and nothing is said" test ! -s err
"$gpt" eval --model exact --data text.dos --json >a 2>err
is "every one is a token" grep -q "\"tokens\":$(($(wc -c <text.dos) - 1))}" a
printf '\357\273\277' >mark
refuses 1 "mark is empty" train --data mark --out none
is "built-in text" "$gpt" train --layers 1 --width 16 --context 8 --out own --steps 3 \
    --progress none
# shellcheck disable=SC2086
"$gpt" train $tiny --progress plain --data text --out plain --steps 3 >said 2>&1
for word in '^model .* parameters' '^data .* held out' '^steps ' '^machine .* thread' \
    '^memory .*iB' 'validation loss' 'A sample' 'sample --model plain'; do
    is "it says: $word" grep -q -e "$word" said
done
cp said .out
next_works "eval --part held-out"

# Steps of such a size soon end in infinity.
# shellcheck disable=SC2086
refuses 1 "not finite.*checkpoint of step .* is untouched" train $tiny --data text --out wild \
    --steps 200 --lr 1e38 --warmup 0 --clip 0 --save-every 1000
# shellcheck disable=SC2086
refuses 1 "not finite.*checkpoint of step 0 in wilder is untouched" train $tiny --data text \
    --out wilder --steps 3 --lr 1e39 --min-lr 1e39 --warmup 0 --save-every 1
is "what was saved is good" "$gpt" sample --model wild --tokens 5
finish
