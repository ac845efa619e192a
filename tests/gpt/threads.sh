#!/bin/sh
# 1, 2 and 3 threads give the same parameters, bit for bit, and the same text.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
options="--layers 2 --heads 4 --width 64 --context 16 --batch 4 --progress none --data text
         --steps 5 --dropout 0.1 --bias"
for n in 1 2 3; do
    # shellcheck disable=SC2086
    is "$n threads" "$gpt" train $options --out "run$n" --threads $n
    "$gpt" sample --model run1 --seed 3 --tokens 40 --threads $n >"text$n" 2>/dev/null
done
is "1 and 2 threads: equal parameters" cmp run1/model.safetensors run2/model.safetensors
is "1 and 3 threads: equal parameters" cmp run1/model.safetensors run3/model.safetensors
is "1 and 2 threads: equal text" cmp text1 text2
is "1 and 3 threads: equal text" cmp text1 text3
finish
