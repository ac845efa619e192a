# shellcheck shell=sh disable=SC2154
# What the end-to-end tests of all programs share: POSIX sh, sourced by the common.sh of each, which
# has put the program into $program and a folder for files into $work. Prints TAP.
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

finish() {
    echo "1..$count"
    [ $failed -eq 0 ]
    exit
}
