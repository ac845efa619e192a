#!/bin/sh
# The series program forecasts what can be forecast and no more, reads columns, and refuses what is none.
# Functions are called by way of `is`.
# shellcheck disable=SC2317,SC2016
# shellcheck source=tests/programs.sh
. "$(dirname "$0")/../programs.sh"
cd "$work" || exit 1
series=$program
small="--window 16 --width 16 --layers 1 --heads 2"

# error_of WORD: the error in the line that begins so.
error_of() {
    sed -n "s/^ *$1.* \([0-9.e+-]*\)\$/\1/p" .out
}

# attention_is_below FACTOR BASELINE; attention_is_above likewise.
attention_is_below() {
    awk -v a="$(error_of attention)" -v b="$(error_of "$2")" -v f="$1" 'BEGIN { exit !(a > 0 && a < f * b) }'
}
attention_is_above() {
    awk -v a="$(error_of attention)" -v b="$(error_of "$2")" -v f="$1" 'BEGIN { exit !(b > 0 && a > f * b) }'
}

is "a made series" "$series"
is "below the value before" attention_is_below 0.8 "the value before"
is "below a season before" attention_is_below 0.9 "168 before"
is "and not below the noise" attention_is_above 0.3 "the value before"
cp .out first
is "again" "$series"
is "the same figures" cmp .out first

# A week of sales, the second column; the first one has commas in it.
awk 'BEGIN {
    print "\"day, month\",sales,other"
    for (i = 0; i < 400; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648
        printf "\"%d, May\",%.3f,x\n", i, 100 + 30 * (i % 7 == 5) + 10 * (i % 7 == 6) + seed / 2147483648
    }
}' >sales.csv
# shellcheck disable=SC2086
is "a column of a file" "$series" --data sales.csv --column sales $small --steps 200
is "its week is found, or some weeks" awk '/before, a season/ { n = $1 } END { exit !(n > 0 && n % 7 == 0) }' .out
is "and learned" attention_is_below 0.2 "the value before"
# Nothing can be said of a walk but that it is where it was: an error far below would be of a program that
# peeks.
awk 'BEGIN {
    print "walk"
    for (i = 0; i < 600; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648
        x += seed / 2147483648 - 0.5
        printf "%.4f\r\n", x
    }
}' >walk.csv
# shellcheck disable=SC2086
is "the only column, lines as DOS" "$series" --data walk.csv $small --steps 100
is "no peeking" attention_is_above 0.9 "the value before"

refuses 1 "has 3 columns, the first being 'day, month'; --column says" --data sales.csv
refuses 1 "has no column 'sale'" --data sales.csv --column sale
refuses 1 "sales.csv:2: 'x' is not a number" --data sales.csv --column other
refuses 1 "cannot read none.csv" --data none.csv
refuses 1 "column needs --data" --column sales
head -n 20 walk.csv >short.csv
refuses 1 "19 values are too few" --data short.csv
: >empty.csv
refuses 1 "empty.csv is empty" --data empty.csv
printf 'a,b\n1,2\n3\n' >torn.csv
refuses 1 "torn.csv:3: there is no column 2" --data torn.csv --column b
awk 'BEGIN { print "x"; for (i = 0; i < 300; i++) print 2 * i }' >line.csv
refuses 1 "never changes its pace" --data line.csv
refuses 1 "not divisible by heads" --width 30 --heads 4
refuses 2 "window must be" --window 1
finish
