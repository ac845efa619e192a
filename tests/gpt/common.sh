# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of gpt share: POSIX sh, sourced by each.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
gpt=$program
tiny="--layers 1 --heads 2 --width 16 --context 8 --batch 4 --progress none"

# A text of some 20 kB to learn.
make_text() {
    awk 'BEGIN { for (i = 0; i < 500; i++) printf "line %d says %d and the sum is %d\n",
                 i, i * 7919 % 1009, i + i * 7919 % 1009 }' >"$work/text"
}

# A log without its timings.
log_of() {
    sed 's/"ms":[^,]*,"tokens_per_s":[^,}]*//' "$1/log.jsonl"
}
