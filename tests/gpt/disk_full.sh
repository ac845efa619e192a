#!/bin/sh
# No room on the disk (here: a limit on the size of files): one sentence, and the checkpoint
# that was there is still there and good.
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1

# under LIMIT ARGUMENTS...: gpt with files of at most LIMIT blocks of 512 bytes.
under() (
    ulimit -f "$1" || exit 99
    shift
    "$gpt" "$@" >out 2>err
)

# shellcheck disable=SC2086
is "a run" "$gpt" train $tiny --data text --out run --steps 20 --save-every 5 --threads 1
# shellcheck disable=SC2086
is "half of it" "$gpt" train $tiny --data text --out half --steps 10 --save-every 5 --threads 1
cp half/checkpoint.safetensors before

under 8 train --resume --out half --steps 20 --progress none
is "a resume without room fails" test $? -eq 1
is "with one sentence" test "$(wc -l <err)" -eq 1
is "that says so" grep -q "cannot write" err
is "and leaves the checkpoint" cmp before half/checkpoint.safetensors
is "and nothing half done" test -z "$(find half -name '*tmp*')"
# shellcheck disable=SC2086
under 8 train $tiny --data text --out new --steps 20
is "a new run without room fails at once" test $? -eq 1
is "with one sentence" test "$(wc -l <err)" -eq 1
is "and leaves no folder" test ! -e new
mkdir mine
echo mine >mine/notes
# shellcheck disable=SC2086
under 8 train $tiny --data text --out mine --steps 20
is "and of a folder that was there" test "$(ls -A mine)" = notes

is "with room again the run goes on" "$gpt" train --resume --out half --steps 20 --progress none
is "to the end" test "$(wc -l <half/log.jsonl)" -eq 20
for words in --version --help "train --help" "sample --model run --tokens 5" "attend --model run line" \
    "eval --model run --data text" "train --resume --out run" "train --resume --out run --steps 22"; do
    # shellcheck disable=SC2086
    full "$gpt" $words
done
is "what was learned is kept all the same" test "$(wc -l <run/log.jsonl)" -eq 22
finish
