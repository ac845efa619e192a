# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of vit share: POSIX sh, sourced by each.
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
vit=$program
tiny="--width 8 --layers 1 --heads 2 --epochs 1"
