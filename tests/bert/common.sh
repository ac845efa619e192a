# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of bert share: POSIX sh, sourced by each.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
bert=$program
tiny="--width 8 --layers 1 --heads 2 --steps 5 --count 200 --labelled 20"
