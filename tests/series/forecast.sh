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

# What some editors write: a byte order mark, and lines as DOS in the first line too.
awk 'BEGIN { printf "\357\273\277" } { sub(/,[^,]*$/, ""); sub(/.*,/, ""); print $0 "\r" }' sales.csv >only.csv
awk 'BEGIN { printf "\357\273\277" } { sub(/,[^,]*$/, ""); print $0 "\r" }' sales.csv >last.csv
# shellcheck disable=SC2086
is "without a byte order mark" "$series" --data sales.csv --column sales $small --steps 1
cp .out unmarked
# shellcheck disable=SC2086
is "with one, before the name" "$series" --data only.csv --column sales $small --steps 1
is "the same figures" cmp .out unmarked
# shellcheck disable=SC2086
is "and before others" "$series" --data last.csv --column sales $small --steps 1
is "these are too" cmp .out unmarked

refuses 1 "has 3 columns, the first being 'day, month'; --column says" --data sales.csv
refuses 1 "has no column 'sale'" --data sales.csv --column sale
refuses 1 "has 2 columns, the first being 'day, month'; --column says" --data last.csv
refuses 1 "sales.csv:2: 'x' is not a number" --data sales.csv --column other
refuses 1 "cannot read none.csv" --data none.csv
refuses 1 "column needs --data" --column sales
head -n 20 walk.csv >short.csv
refuses 1 "a series of 19 values is too short" --data short.csv
: >empty.csv
refuses 1 "empty.csv is empty" --data empty.csv
printf 'a,b\n1,2\n3\n' >torn.csv
refuses 1 "torn.csv:3: there is no column 2" --data torn.csv --column b
awk 'BEGIN { print "x"; for (i = 0; i < 300; i++) print 2 * i }' >line.csv
refuses 1 "never changes its pace" --data line.csv
printf 'a,b,"a"\n1,2,3\n' >twice.csv
refuses 1 "twice.csv:1: 'a' is the name of the columns 1 and 3" --data twice.csv --column a
refuses 1 "a series of 1 value is too short" --data twice.csv --column b

# scaled BY LAST: a series whose values have that exponent, and its last one.
scaled() {
    awk -v by="$1" -v last="$2" 'BEGIN {
        print "x"
        for (i = 0; i < 299; i++) print 1 + i * i % 17 by
        print last
    }'
}
scaled "" 3 >plain.csv
scaled e98 3e98 >large.csv
# shellcheck disable=SC2086
is "a series" "$series" --data plain.csv $small --steps 1
plain=$(error_of "the value before")
# shellcheck disable=SC2086
is "the same, large" "$series" --data large.csv $small --steps 1
is "has large errors" test "$(error_of "the value before")" = "${plain}e+98"
scaled e200 3e200 >larger.csv
refuses 1 "larger.csv:2: '1e200' is not a number from -1e+100 to 1e+100" --data larger.csv
scaled "" -1e400 >largest.csv
refuses 1 "largest.csv:301: '-1e400' is not a number from" --data largest.csv
scaled e-200 3e-200 >small.csv
refuses 1 "steps have a deviation of [0-9.]*e-200, and need 1e-100" --data small.csv
scaled "" 1e60 >leap.csv
refuses 1 "the step to value 300 is [0-9.]*e+59 deviations" --data leap.csv
refuses 1 "not divisible by heads" --width 30 --heads 4
refuses 2 "window must be" --window 1
finish
