#!/bin/sh
# gradcheck as a user runs it: names, lists, JSON, mistakes. TAP.
# Functions are called by way of `is`.
# shellcheck disable=SC2317
[ $# -eq 2 ] || { echo "usage: $0 GRADCHECK FOLDER" >&2; exit 2; }
gradcheck=$1
work=$2/gradcheck.$$
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
count=0
failed=0

is() {
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/out" 2>"$work/err"; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name"
        sed 's/^/# /' "$work/err"
    fi
}

# prints PATTERN ARGUMENTS...: exit code 0 and such a line.
prints() {
    pattern=$1
    shift
    "$gradcheck" "$@" >"$work/text" && grep -q -e "$pattern" "$work/text"
}

# refuses PATTERN ARGUMENTS...: exit code 2 and one sentence.
refuses() {
    pattern=$1
    shift
    "$gradcheck" "$@" >"$work/text" 2>"$work/sentence"
    [ $? -eq 2 ] && [ ! -s "$work/text" ] && [ "$(wc -l <"$work/sentence")" -eq 1 ] &&
        grep -q -e "$pattern" "$work/sentence"
}

valid_json() {
    "$gradcheck" matmul gpt --json >"$work/json" &&
        python3 - "$work/json" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
assert report["passed"] is True and report["order"] == 1
assert [(c["name"], c["kind"]) for c in report["checks"]] == [("matmul", "op"), ("gpt", "module")]
for c in report["checks"]:
    assert c["passed"] and c["compared"] > 0 and c["excess"] <= 1 and c["message"] == ""
    assert 0 < c["absolute"] < 1e-6 and c["seconds"] >= 0
END
}

is "an op" prints '^softmax  *[0-9]' softmax
is "names after options" prints '^2 checked, 0 failed' --order 2 softmax --seed 3 sin
is "several, at order 2" prints '^3 checked, 0 failed' softmax sin self-attention --order 2
is "all modules" prints '0 failed' --modules
is "the list has ops" prints '^  softmax .*sum' --list
is "the list has modules" prints '^  self-attention-causal ' --list
is "each number of a module" prints 'linear.weight\[2,3\] ' linear-module --each
is "JSON" valid_json
is "help" prints '--order N' --help
is "a misspelt name" refuses "no op or module 'sofmax'; did you mean softmax" sofmax
is "no name" refuses "name an op or a module"
is "order 3" refuses "order" --all --order 3
is "JSON and each number" refuses "exclude" gpt --json --each
is "JSON and the list" refuses "--json and --list exclude" --list --json
echo "1..$count"
[ $failed -eq 0 ]
