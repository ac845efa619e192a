#!/bin/sh
# Options: help, defaults, mistakes, and what --resume lets differ.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1

has_options() {
    "$gpt" "$1" --help >"$work/help" || return 1
    shift
    for option; do
        grep -q -e "--$option" "$work/help" || { echo "--$option" >&2; return 1; }
    done
}
is "gpt --help" "$gpt" --help
is "every option of train is in its help" has_options train data out resume layers heads width \
    context batch steps minutes bias accumulate lr min-lr warmup weight-decay beta1 beta2 clip \
    dropout save-every eval-every eval-batches tokenizer seed threads progress
is "every option of sample is in its help" has_options sample model prompt tokens temperature \
    top-k top-p min-p seed
is "every option of eval is in its help" has_options eval model data part json
for default in "context N .*default 64)" "batch N .*default 12)" "steps N .*default 2000)" \
    "lr X .*default 0.001)" "warmup N .*default 100)" "seed N .*default 1337)" \
    "beta2 X .*default 0.99)" "out DIR .*default gpt-run)" "eval-every N .*default 250)"; do
    "$gpt" train --help >"$work/help"
    is "default: $default" grep -q -e "--$default" "$work/help"
done

refuses 2 "did you mean --layers" train --layrs 3
refuses 2 "did you mean --temperature" sample --temprature 1
refuses 2 "unknown command 'trian'; did you mean train" trian
refuses 2 "whole number" train --steps ten
refuses 2 "needs a value" train --steps
refuses 2 "width 130 is not divisible by heads 4" train --width 130
refuses 2 "above" train --min-lr 1 --lr 0.1
refuses 2 "tokenizer" train --tokenizer words
refuses 2 "data" eval
refuses 2 "auto|plain|none" train --progress loud
is "nothing was made by refused lines" test ! -e gpt-run

# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 10 --eval-every 5 --warmup 0 --min-lr 1e-3
cp run/checkpoint.safetensors before
refuses 1 "already holds a run" train --data text --out run
refuses 2 "^gpt train: --lr differs" train --resume --out run --lr 0.01
refuses 2 "^gpt train: --seed differs" train --resume --out run --seed 7
refuses 2 "^gpt train: --bias differs" train --resume --out run --bias
refuses 2 "^gpt train: --tokenizer differs" train --resume --out run --tokenizer bytes
refuses 2 "^gpt train: --eval-batches differs" train --resume --out run --eval-batches 3
refuses 1 "no run to resume" train --resume --out nowhere
is "a refused resume makes no folder" test ! -e nowhere
echo "another text" >other
refuses 1 "not the text" train --resume --out run --data other
is "refusals changed nothing" cmp before run/checkpoint.safetensors
mv run moved
cp text text2
is "a folder and a text may move, options may be repeated" "$gpt" train --resume --out moved \
    --data text2 --steps 20 --layers 1 --lr 1e-3 --eval-every 4 --save-every 3 --progress none
is "another --steps is explained" grep -q "learning rate now falls" "$work/.out"
here=$(pwd)
is "and a rate that stays is not" sh -c "! grep -q becomes '$work/.out'"
is "a run that is complete" "$gpt" train --resume --out moved --steps 10
is "says so" grep -q "^The run is complete at step 20: more --steps" "$work/.out"
is "and no rate of a step to come" sh -c "! grep -q 'learning rate' '$work/.out'"
is "a resumed run names its text" "$gpt" train --resume --out moved --steps 20 --progress plain
is "by the path it was given" grep -q "$here/text2" "$work/.out"
is "the log goes on" test "$(wc -l <moved/log.jsonl)" -eq 20
# shellcheck disable=SC2086
is "a run that stops at once" "$gpt" train $tiny --data text --out stopped --steps 400 --warmup 0 \
    --minutes 1e-9
is "with an end that is near the old one" "$gpt" train --resume --out stopped --steps 401 \
    --minutes 1e-9
# Both rates of "becomes 0.0009999862 instead of 0.0009999861".
apart() {
    sed -n 's/.* becomes \([0-9.e-]*\) instead of \([0-9.e-]*\)$/\1 \2/p' "$work/.out" |
        awk '{ rates = NF == 2 && $1 > $2 } END { exit !rates }'
}
is "names rates that can be told apart" apart
finish
