# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of translate share: POSIX sh, sourced by each.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
translate=$program
tiny="--count 300 --hidden 8 --embedding 8 --epochs 1"
