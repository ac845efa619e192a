#!/bin/sh
# shellcheck disable=SC2016
# The program costs says what it should: orders, and of times only what is far from their noise. TAP.
[ $# -eq 1 ] || { echo "usage: $0 COSTS" >&2; exit 2; }
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
text=$("$1") || { echo "Bail out! costs failed"; exit 1; }
count=0

# says NAME HEADING PROGRAM: the awk program, over the rows of the table under that heading, ends well.
says() {
    count=$((count + 1))
    if echo "$text" | awk -v heading="$2" "
        index(\$0, heading) == 1 { inside = 1; next }
        /^[A-Z]/ { inside = 0 }
        !inside || NF == 0 || \$1 == \"positions\" || \$1 == \"score\" || \$1 == \"width\" || \$1 == \"before\" { next }
        { rows++ }
        $3"; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
    fi
}

says "a recurrent network waits for each step, attention for none" "Ops one after the other" '
    { if (rows > 1 && ($2 < 3.5 * before || $3 != depth)) bad = 1; before = $2; depth = $3 }
    END { exit bad || rows != 4 }'
says "a score with more parameters costs more" "One step of alignment" '
    { parameters[$1] = $2; cost[$1] = $3; time[$1] = $4 }
    END { exit rows != 4 || parameters["dot"] != 0 || time["dot"] <= 0 ||
              !(10 * cost["dot"] < cost["general"] && cost["general"] < cost["additive"] &&
                cost["additive"] <= cost["concat"]) }'
says "an additive score takes longer than a product" "One step of alignment" '
    { time[$1] = $4 }
    END { exit !(time["additive"] > 1.5 * time["dot"] && time["concat"] > 1.5 * time["dot"]) }'
says "without the scale weights harden, with it they stay" "Entropy of weights" '
    { if ($2 < 2.8 || $2 > 3.2 || (rows > 1 && $3 >= 0.9 * before)) bad = 1; before = $3 }
    END { exit bad || rows != 5 || before > 0.5 }'
says "results and peak are linear when fused, and quadratic otherwise" "Attention of 4 heads" '
    { results[$2 $1] = $4; peak[$2 $1] = $5 }
    END { exit rows != 6 || results["fused512"] != 4 * results["fused128"] ||
               peak["fused512"] > 4.5 * peak["fused128"] ||
               peak["composed512"] < 8 * peak["composed128"] }'
says "the gradient fades, and does not with attention" "The loss" '
    { without[rows] = $2; with[rows] = $3 }
    END { exit rows != 7 || without[7] > 1e-6 * without[1] || with[7] < 0.02 * with[1] }'
echo "1..$count"
