#!/bin/sh
# Writing text: the cache changes nothing, only the text is on stdout, characters come whole.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 60 --lr 1e-2

for options in "--seed 1" "--temperature 0" "--seed 2 --top-k 3" "--seed 3 --top-p 0.7" \
    "--seed 4 --prompt line" "--seed 5 --prompt line_5_says_9_and_the_sum"; do
    prompt=$(echo "$options" | sed 's/_/ /g; s/.*--prompt //')
    case $options in
    *prompt*) set -- --seed 4 --prompt "$prompt" ;;
    *) # shellcheck disable=SC2086
        set -- $options ;;
    esac
    "$gpt" sample --model run --tokens 100 "$@" >cached 2>/dev/null
    "$gpt" sample --model run --tokens 100 "$@" --no-cache >uncached 2>/dev/null
    is "with and without cache: $options" cmp cached uncached
    is "some text: $options" test "$(wc -c <cached)" -gt 100
done
"$gpt" sample --model run --tokens 50 --seed 9 >a 2>stats
"$gpt" sample --model run --tokens 50 --seed 9 >b 2>/dev/null
is "the same seed gives the same text" cmp a b
is "one character a token and a line end" test "$(wc -c <a)" -eq 51
is "the seed is told" grep -q "seed 9" stats
"$gpt" sample --model run --tokens 0 --prompt "line" >a 2>/dev/null
is "no tokens: the prompt" test "$(cat a)" = line
refuses 1 "the prompt" sample --model run --prompt "what?!"

# shellcheck disable=SC2086
is "a run on bytes" "$gpt" train $tiny --data text --tokenizer bytes --out bytes --steps 5
"$gpt" sample --model bytes --tokens 300 --seed 1 >a 2>/dev/null
is "random bytes come out as UTF-8" iconv -f UTF-8 -t UTF-8 a
"$gpt" eval --model run --data text --json >a 2>err
is "eval prints one JSON object" grep -q \
    '^{"loss":[0-9.e+-]*,"perplexity":[0-9.e+-]*,"bits_per_byte":[0-9.e+-]*,"tokens":[0-9]*}$' a
is "and nothing else" test "$(wc -l <a)" -eq 1 -a ! -s err
is "each token but the first" grep -q "\"tokens\":$(($(wc -c <text) - 1))}" a
finish
