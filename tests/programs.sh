# shellcheck shell=sh
# What the end-to-end tests of all programs share: POSIX sh, sourced by the common.sh of each. A
# test is called with the program and a folder for its files, and prints TAP.
#
#     . "$(dirname "$0")/common.sh"
#     is "a name" test -e "$work/file"
#     refuses 2 "did you mean --layers" train --layrs 3
#     finish

[ $# -eq 2 ] || { echo "usage: $0 PROGRAM FOLDER" >&2; exit 2; }
program=$1
work=$2/$(basename "$program").$(basename "$0" .sh).$$
rm -rf "$work"
mkdir -p "$work"
# Absolute, so that a test may change its folder.
case $program in /*) ;; *) program=$PWD/$program ;; esac
work=$(cd "$work" && pwd)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Their models are too small for several threads to be of use; gpt's threads.sh asks for more.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
count=0
failed=0

pass() {
    count=$((count + 1))
    echo "ok $count - $1"
}

flunk() {
    count=$((count + 1))
    failed=$((failed + 1))
    echo "not ok $count - $1"
}

# is NAME COMMAND...: the command succeeds. What it says, if anything, is in $work/.out.
is() {
    name=$1
    shift
    if "$@" >"$work/.now" 2>"$work/.err"; then
        pass "$name"
    else
        flunk "$name"
        sed 's/^/# /' "$work/.err"
    fi
    [ ! -s "$work/.now" ] || mv "$work/.now" "$work/.out"
}

# refuses CODE PATTERN ARGUMENTS...: the program ends with that code and one sentence on stderr
# that matches.
refuses() {
    wanted=$1
    pattern=$2
    shift 2
    "$program" "$@" </dev/null >"$work/.refused" 2>"$work/.err"
    code=$?
    if [ $code -eq "$wanted" ] && [ "$(wc -l <"$work/.err")" -eq 1 ] &&
        grep -q -e "$pattern" "$work/.err" && [ ! -s "$work/.refused" ]; then
        pass "refused: $(head -c 300 "$work/.err" | sed "s|$work/||g; s/#/(number)/g")"
    else
        flunk "$(basename "$program") $*: exit code $code, expected $wanted and '$pattern'"
        head -c 2000 "$work/.err" | sed 's/^/# /'
    fi
}

# next_works COMMAND: what a training said to do next, with that command, can be typed like that.
next_works() {
    next=$(sed -n "s/^  \(.* $1 .*\)/\1/p" "$work/.out")
    cp "$work/.out" "$work/.next"
    is "next: $1" test -n "$next"
    is "as it was called" sh -c "$next"
    cp "$work/.next" "$work/.out"
}

# full COMMAND...: what it prints does not arrive, which is its failure, and one sentence says so.
full() {
    if [ ! -c /dev/full ]; then
        pass "there is no /dev/full here: $*"
        return
    fi
    "$@" >/dev/full 2>"$work/.err"
    code=$?
    if [ $code -eq 1 ] && [ "$(wc -l <"$work/.err")" -eq 1 ] && grep -q "cannot write" "$work/.err"; then
        pass "a full disk: $(basename "$1") $2"
    else
        flunk "$*: exit code $code on a full disk, expected 1 and one sentence"
        sed 's/^/# /' "$work/.err"
    fi
}

finish() {
    echo "1..$count"
    [ $failed -eq 0 ]
    exit
}
