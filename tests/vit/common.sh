# shellcheck shell=sh disable=SC2034
# What the end-to-end tests of vit share: POSIX sh, sourced by each. A test is called with the
# program and a folder for its files, and prints TAP.
#
#     . "$(dirname "$0")/common.sh"
#     is "a name" test -e "$work/file"
#     refuses 2 "did you mean --layers" train --layrs 3
#     finish

[ $# -eq 2 ] || { echo "usage: $0 VIT FOLDER" >&2; exit 2; }
vit=$1
work=$2/vit.$(basename "$0" .sh).$$
rm -rf "$work"
mkdir -p "$work"
# Absolute, so that a test may change its folder.
case $vit in /*) ;; *) vit=$PWD/$vit ;; esac
work=$(cd "$work" && pwd)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# These models are too small for several threads to be of use.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
tiny="--width 8 --layers 1 --heads 2 --epochs 1"
program=$vit
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
