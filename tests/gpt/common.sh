# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of gpt share: POSIX sh, sourced by each. A test is called with the
# program and a folder for its files, and prints TAP.
#
#     . "$(dirname "$0")/common.sh"
#     is "a name" test -e "$work/file"
#     refuses 2 "did you mean --layers" train --layrs 3
#     finish

[ $# -eq 2 ] || { echo "usage: $0 GPT FOLDER" >&2; exit 2; }
gpt=$1
work=$2/$(basename "$0" .sh).$$
rm -rf "$work"
mkdir -p "$work"
# Absolute, so that a test may change its folder.
case $gpt in /*) ;; *) gpt=$PWD/$gpt ;; esac
work=$(cd "$work" && pwd)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# These models are too small for several threads to be of use; threads.sh asks for more.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
tiny="--layers 1 --heads 2 --width 16 --context 8 --batch 4 --progress none"
program=$gpt
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"

# A text of some 20 kB to learn.
make_text() {
    awk 'BEGIN { for (i = 0; i < 500; i++) printf "line %d says %d and the sum is %d\n",
                 i, i * 7919 % 1009, i + i * 7919 % 1009 }' >"$work/text"
}

# A log without its timings.
log_of() {
    sed 's/"ms":[^,]*,"tokens_per_s":[^,}]*//' "$1/log.jsonl"
}
