#!/bin/sh
# Models of other parts: each learns, is stopped and goes on with the same bits, and writes the
# same with and without a cache, beyond its context; and what a run of before them lacks.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
# Heads of two numbers each, so that rotary has something to turn.
small="--layers 2 --heads 4 --width 16 --context 8 --batch 4 --progress none --data text"

# variant NAME "SETTING" OPTIONS...: the setting is in config.json.
variant() {
    folder=$1
    setting=$2
    shift 2
    # shellcheck disable=SC2086
    is "$folder" "$gpt" train $small --steps 5 --warmup 2 --out "$folder" "$@"
    is "$folder: config.json" grep -q "$setting" "$folder/config.json"
    # shellcheck disable=SC2086
    "$gpt" train $small --steps 5 --warmup 2 --out "$folder.part" "$@" --minutes 1e-9 >out 2>&1
    is "$folder: stopped" grep -q '"step": 1$' "$folder.part/config.json"
    is "$folder: resumed" "$gpt" train --resume --out "$folder.part" "$@" --minutes 0 --progress none
    is "$folder: the same bits" cmp "$folder/checkpoint.safetensors" "$folder.part/checkpoint.safetensors"
    "$gpt" sample --model "$folder" --tokens 30 --seed 1 >cached 2>err
    "$gpt" sample --model "$folder" --tokens 30 --seed 1 --no-cache >uncached 2>>err
    is "$folder: text" test "$(wc -c <cached)" -eq 31
    is "$folder: the same without a cache" cmp cached uncached
}
for positions in sinusoidal rotary alibi relative none; do
    variant $positions "\"positions\": \"$positions\"" --positions $positions
done
variant rmsnorm '"norm": "rmsnorm"' --norm rmsnorm
variant gelu_tanh '"activation": "gelu_tanh"' --activation gelu_tanh
variant swiglu '"gated": true' --activation silu --gated
variant grouped '"key_heads": 2' --key-heads 2
variant llama '"key_heads": 1' --key-heads 1 --positions rotary --norm rmsnorm --activation silu --gated
# shellcheck disable=SC2086
is "another one is another model" "$gpt" train $small --steps 5 --warmup 2 --out plain --progress plain
is "what is usual is not said" grep -q "^model    2 layers, 4 heads, width 16, context 8, no biases:" .out
for other in sinusoidal rotary alibi relative none rmsnorm gelu_tanh swiglu grouped llama; do
    is "$other is another" sh -c "! cmp -s plain/model.safetensors '$other/model.safetensors'"
done
is "what is not is" "$gpt" train --resume --out llama --progress plain --steps 6
is "in one line" grep -q "^model    2 layers, 4 heads (1 of keys), width 16, context 8, positions rotary, rmsnorm, silu, gated, no biases:" .out
is "its attention" "$gpt" attend --model llama line --attention llama.json
is "eval" "$gpt" eval --model llama --data text --json

refuses 2 "must be one of learned|.*, not 'rotery'; did you mean rotary?" train --positions rotery
refuses 2 "did you mean rmsnorm" train --norm rmsnrm
refuses 2 "did you mean silu" train --activation sliu
refuses 2 "did you mean --key-heads" train --key-head 2
refuses 2 "heads 4 are not divisible by key heads 3" train --key-heads 3
refuses 2 "rotary turns pairs of numbers, and a head has 5 of them" train --width 20 --positions rotary
refuses 2 "^gpt train: --positions differs from this run's, which is \"alibi\"" train --resume --out alibi --positions rotary
refuses 2 "^gpt train: --gated differs from this run's, which is false" train --resume --out alibi --gated
refuses 2 "^gpt train: --key-heads differs" train --resume --out grouped --key-heads 4

# A folder of before these settings were there.
cp -R plain old
sed '/"key_heads"/d; /"gated"/d' plain/config.json >old/config.json
is "an old config.json lacks two lines" test \
    "$(($(wc -l <plain/config.json) - $(wc -l <old/config.json)))" -eq 2
"$gpt" sample --model plain --tokens 30 --seed 1 >a 2>err
is "it opens" "$gpt" sample --model old --tokens 30 --seed 1
is "and writes the same" cmp a .out
# Settings are blanked out, so that the file has the length that its head says.
blank() {
    printf "s/%s/%${2}s/\n" "$1" ''
}
{
    blank '\\"key-heads\\":0,' 16
    blank '\\"positions\\":\\"learned\\",' 26
    blank '\\"norm\\":\\"layernorm\\",' 23
    blank '\\"activation\\":\\"gelu\\",' 24
    blank '\\"gated\\":false,' 16
} >blanks
LC_ALL=C sed -f blanks plain/checkpoint.safetensors >old/checkpoint.safetensors
is "an old checkpoint lacks five settings" test \
    "$(LC_ALL=C cmp -l plain/checkpoint.safetensors old/checkpoint.safetensors | wc -l)" -eq 105
is "it goes on" "$gpt" train --resume --out old --steps 8 --progress none
is "as a new one does" "$gpt" train --resume --out plain --steps 8 --progress none
is "with the same bits" cmp plain/model.safetensors old/model.safetensors

# damaged EXPRESSION PATTERN: a config.json changed by sed is refused.
damaged() {
    rm -rf bad
    cp -R llama bad
    sed "$1" llama/config.json >bad/config.json
    refuses 1 "$2" sample --model bad
}
damaged 's/"key_heads": 1/"key_heads": 3/' "config.json: heads 4 are not divisible by key heads 3"
damaged 's/"key_heads": 1/"key_heads": 2/' "model.safetensors"
damaged 's/"gated": true/"gated": 1/' "true or false"
damaged 's/"gated": true/"gated": false/' "model.safetensors"
damaged 's/rotary/spiral/' "'spiral' is not known"
finish
