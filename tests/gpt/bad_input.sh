#!/bin/sh
# Bad texts and bad model folders get one sentence and harm nothing.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1

: >empty
echo "short" >short
printf 'abc\377def and much more text' >latin
awk 'BEGIN { for (i = 0; i < 200; i++) printf "caf\351 no %d\n", i }' >latin.long
refuses 1 "No such file" train --data missing --out run
refuses 1 "empty" train --data empty --out run
refuses 1 "too short" train --data short --out run
refuses 1 "folder" train --data . --out run
refuses 1 "not UTF-8 text, at byte 3 of line 1: .* --tokenizer bytes" train --data latin --out run
printf 'one\r\ntwo\r\nab\344\r\n' >latin.dos
refuses 1 "not UTF-8 text, at byte 2 of line 3: " train --data latin.dos --out run
refuses 1 "No such file" train --data text --tokenizer bpe:nowhere --out run
refuses 1 "of memory" train --data text --out run --width 1000000 --layers 200 --heads 1
refuses 1 "" train --data text --out text
is "no refused run left a folder" test ! -e run
# shellcheck disable=SC2086
is "bytes take any data" "$gpt" train $tiny --data latin.long --tokenizer bytes --out any \
    --steps 3

# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 5
refuses 1 "nowhere" sample --model nowhere
refuses 1 "No such file" eval --model run --data missing
refuses 1 "empty" eval --model run --data empty
refuses 1 "too short" eval --model run --data short --part held-out
printf 'unknown \303\266\n' >unknown
refuses 1 "unknown: " eval --model run --data unknown

# damaged NAME FILE PATTERN: a copy of the run whose FILE has been replaced by `new` is refused.
damaged() {
    rm -rf bad
    cp -R run bad
    mv new "bad/$1"
    refuses 1 "$2" sample --model bad
}
size=$(wc -c <run/model.safetensors)
for length in 0 7 8 100 $((size / 2)) $((size - 1)); do
    head -c "$length" run/model.safetensors >new
    damaged model.safetensors "model.safetensors"
done
{ cat run/model.safetensors; echo; } >new
damaged model.safetensors "model.safetensors"
head -c "$size" /dev/zero >new
damaged model.safetensors "model.safetensors"
head -c 40 run/config.json >new
damaged config.json "config.json"
echo '{"model_type":"gpt2","n_layer":12}' >new
damaged config.json "not the configuration of a heed gpt"
echo '{"format": "heed translate", "version": 1}' >new
damaged config.json "not the configuration of a heed gpt, but of a heed translate"
sed 's/"width": 16/"width": 18/' run/config.json >new
damaged config.json "model.safetensors"
sed 's/"width": 16/"width": 17/' run/config.json >new
damaged config.json "width 17 is not divisible by heads 2"
sed 's/"layers": 1/"layers": 1000000/' run/config.json >new
damaged config.json "config.json"
sed 's/"vocabulary": [0-9]*/"vocabulary": 2000000000/' run/config.json >new
damaged config.json "tokens"
sed 's/gelu/swish/' run/config.json >new
damaged config.json "swish"
echo 'not json' >new
damaged tokenizer.json "tokenizer.json"

# Every number NaN: nothing is measured, written or drawn.
header=$((8 + $(od -An -tu8 -N8 run/model.safetensors)))
cp -R run nan
{
    head -c $header run/model.safetensors
    head -c $(($(wc -c <run/model.safetensors) - header)) /dev/zero | LC_ALL=C tr '\000' '\377'
} >nan/model.safetensors
refuses 1 "model are damaged" eval --model nan --data text
refuses 1 "numbers are damaged" sample --model nan --tokens 3
refuses 1 "numbers are damaged" attend --model nan line
refuses 1 "numbers are damaged" attend --model nan line --tokens 3 --attention nan.csv
is "nor put into a file" test ! -e nan.csv

size=$(wc -c <run/checkpoint.safetensors)
for length in 0 9 500 $((size / 2)) $((size - 1)); do
    rm -rf bad
    cp -R run bad
    head -c "$length" run/checkpoint.safetensors >bad/checkpoint.safetensors
    refuses 1 "checkpoint.safetensors" train --resume --out bad --steps 9
    is "cut at $length: the other files are as they were" cmp run/log.jsonl bad/log.jsonl
done
cp run/model.safetensors bad/checkpoint.safetensors
refuses 1 "no checkpoint of gpt train" train --resume --out bad --steps 9
echo "xyz" >>text
refuses 1 "it has changed since" train --resume --out run --steps 9
finish
