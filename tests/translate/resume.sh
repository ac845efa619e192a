#!/bin/sh
# A training that is killed at random moments, or stopped, and resumed ends with the same bits as
# one that was left alone; one that fails leaves nothing or something that works. HEED_TRIES says
# how often (default 2).
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/translate/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1
options="--model luong-dot --count 1200 --hidden 12 --embedding 8 --batch 16 --epochs 6 --layers 2
         --input-feeding --dropout 0.1 --forcing inverse-sigmoid --save-every 7 --threads 1"
files="checkpoint.safetensors model.safetensors config.json source.json target.json test.tsv"

# same_run A B: both hold the same bits, and nothing half done.
same_run() {
    for file in $files; do
        cmp "$1/$file" "$2/$file" || return 1
    done
    test "$(find "$2" -type f | wc -l)" -eq 6
}

# epochs_of LOG: what is said of each, without times.
epochs_of() {
    sed -n 's/^\(epoch .*exact [0-9.]*\).*/\1/p' "$1" | sort -u
}

same_epochs() {
    epochs_of whole.log >epochs.whole
    epochs_of part.log >epochs.part
    test -s epochs.whole && cmp epochs.whole epochs.part
}

# shellcheck disable=SC2086
is "a training that is left alone" "$translate" train $options --out whole
cp .out whole.log
try=0
while [ $try -lt "${HEED_TRIES:-2}" ]; do
    try=$((try + 1))
    kills=0
    rm -rf part part.log
    while [ $kills -lt 40 ]; do
        if [ -e part/checkpoint.safetensors ]; then
            "$translate" train --resume --out part >>part.log 2>&1 &
        else
            rm -rf part
            # shellcheck disable=SC2086
            "$translate" train $options --out part >>part.log 2>&1 &
        fi
        pid=$!
        sleep "0.$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%03d", 20 + $1 / 2 }')"
        kill -9 $pid 2>/dev/null || break
        wait $pid 2>/dev/null
        [ $? -eq 137 ] || break
        kills=$((kills + 1))
    done
    wait "$pid" 2>/dev/null
    # Whether the last one was killed or came to its end, this one does.
    "$translate" train --resume --out part >>part.log 2>&1 || sed 's/^/# /' part.log
    is "try $try, killed $kills times: the same bits" same_run whole part
    is "and the same said of each epoch" same_epochs
done

# stopped SIGNAL PATTERN: ends a training with it once that is printed; its exit code is $code: 0
# if the training was faster.
stopped() {
    rm -rf part out
    # shellcheck disable=SC2086
    "$translate" train $options --out part >out 2>err &
    pid=$!
    waited=0
    until grep -q "^$2" out 2>/dev/null || [ $waited -ge 600 ]; do
        sleep 0.02
        waited=$((waited + 1))
    done
    kill "-$1" $pid 2>/dev/null
    wait $pid
    code=$?
}
for signal in INT TERM; do
    for moment in steps "epoch 2"; do
        stopped $signal "$moment"
        is "$signal after '$moment' ends with 130" test $code -eq 130 -o $code -eq 0
        is "and something to use" "$translate" eval --model part
        is "it goes on" "$translate" train --resume --out part
        is "to the same bits" same_run whole part
    done
done

# The folder moved, another working directory, the pairs in a file that moved too.
awk 'BEGIN { for (i = 0; i < 90; i++) printf "a%d b%d\tc%d\n", i, i % 7, i % 5 }' >pairs.tsv
small="--model bahdanau --pairs pairs.tsv --hidden 8 --embedding 4 --batch 8 --patience 0"
# shellcheck disable=SC2086
is "pairs of a file" "$translate" train $small --epochs 4 --schedule constant --out straight
# shellcheck disable=SC2086
is "fewer epochs" "$translate" train $small --epochs 2 --schedule constant --out short
mkdir elsewhere
mv short elsewhere/moved
mv pairs.tsv elsewhere/
from_elsewhere() {
    (cd elsewhere && "$translate" train --resume --out moved --pairs pairs.tsv --epochs 4)
}
is "more epochs, from elsewhere" from_elsewhere
is "say that the schedule changes" grep -q "^epochs   4 instead of 2" .out
is "come to the same model" cmp straight/model.safetensors elsewhere/moved/model.safetensors
is "a training that is complete" "$translate" train --resume --out whole
is "takes no step" test "$(grep -c '^epoch ' .out)" -eq 0
is "and changes nothing" same_run whole part
is "early stopping" "$translate" train --model gru --count 300 --hidden 4 --embedding 4 --epochs 50 \
    --lr 0.3 --patience 1 --out patient
epochs=$(grep -c '^epoch ' .out)
is "has stopped early" test "$epochs" -lt 50
is "and it has" "$translate" train --resume --out patient
is "stopped" test "$(grep -c '^epoch ' .out)" -eq 0
is "more patience" "$translate" train --resume --out patient --patience 2
is "takes it on" grep -q '^epoch ' .out
is "no time at all" "$translate" train --model gru --count 3000 --minutes 0.0001 --out timed
is "is judged" grep -q "^epoch 1/.*best" .out
is "and can go on" grep -q "train --resume --out timed" .out
is "later" "$translate" train --resume --out timed --minutes 0.0001
metric="--model gru --count 200 --hidden 8 --embedding 8 --epochs 3 --forcing metric --forcing-threshold 0"
# shellcheck disable=SC2086
is "a teacher who leaves after an epoch" "$translate" train $metric --out whole-metric
# shellcheck disable=SC2086
"$translate" train $metric --out part-metric --minutes 0.00001 >out 2>&1
starts=0
while grep -q "train --resume" out && [ $starts -lt 20 ]; do
    "$translate" train --resume --out part-metric --minutes 0.00001 >out 2>&1
    starts=$((starts + 1))
done
is "nine steps in ten starts" test $starts -ge 8 -a $starts -lt 20
is "have the same bits" cmp whole-metric/model.safetensors part-metric/model.safetensors

refuses 2 "must say where" train --resume
refuses 1 "no training to go on with" train --resume --out nowhere
refuses 1 "already holds a model.*--resume" train --model gru --out whole
refuses 2 "hidden differs from this training's, which is 12" train --resume --out whole --hidden 13
refuses 2 "model differs .* \"luong-dot\"" train --resume --out whole --model gru
refuses 2 "reverse differs .* false" train --resume --out whole --reverse
refuses 1 "cannot read .*pairs.tsv\|pairs.tsv.*No such file" train --resume --out straight
sed '3s/a/A/' elsewhere/pairs.tsv >pairs.tsv
refuses 1 "does not hold the pairs" train --resume --out straight --pairs pairs.tsv

# broken FILE PATTERN: a checkpoint that is FILE is refused.
broken() {
    rm -rf bad
    mkdir bad
    cp "$1" bad/checkpoint.safetensors
    refuses 1 "$2" train --resume --out bad
}
broken whole/model.safetensors "no checkpoint of translate train"
head -c 3000 whole/checkpoint.safetensors >"cut"
broken "cut" "checkpoint.safetensors"
LC_ALL=C sed 's/\\"hidden\\": 12/\\"hidden\\": 14/' whole/checkpoint.safetensors >wider
broken wider "^translate train: bad/checkpoint.safetensors: parameter .*expected"
LC_ALL=C sed 's/"progress"/"progresS"/' whole/checkpoint.safetensors >lost
broken lost "does not say how far"
LC_ALL=C sed 's/luong-dot/luong-dox/' whole/checkpoint.safetensors >unknown
broken unknown "did you mean luong-dot"

# A training that fails before its first look at the dev part.
diverge="--model rnn --lr 1e60 --clip 0 --count 2000 --schedule constant --warmup 0"
# shellcheck disable=SC2086
"$translate" train $diverge --out diverged >out 2>err
is "NaN ends a training with 1" test $? -eq 1
is "and leaves no folder" test ! -e diverged
mkdir mine
echo mine >mine/notes
# shellcheck disable=SC2086
"$translate" train $diverge --out mine >out 2>err
is "and of a folder that was there" test "$(ls -A mine)" = notes
(
    ulimit -f 8
    # shellcheck disable=SC2086
    "$translate" train $options --out full >out 2>err
)
is "so does a disk that is full" test ! -e full
is "with a sentence" grep -q "cannot write full/" err

# A disk that is full at the end of the first epoch: the vocabulary is larger than the checkpoint.
awk 'BEGIN {
    for (k = 0; k < 400; k++) long = long "x"
    for (i = 0; i < 60; i++) printf "%s\tc%d\n", long = long "x", i % 5 }' >words.tsv
wordy="--model gru --pairs words.tsv --vocabulary words --hidden 2 --embedding 1 --batch 16 --epochs 3"
(
    ulimit -f 20
    # shellcheck disable=SC2086
    "$translate" train $wordy --out late >out 2>err
)
is "one that is full after an epoch ends with 1" test $? -eq 1
is "and one sentence" grep -q "^translate train: cannot write late/source.json.*[a-z]$" err
is "no more" test "$(wc -l <err)" -eq 1
is "and leaves nothing" test ! -e late
(
    ulimit -f 20
    # shellcheck disable=SC2086
    "$translate" train $wordy --save-every 1 --out late >out 2>err
)
is "with --save-every too" test $? -eq 1
is "but says that --resume goes on" grep -q "source.json.*; the checkpoint of step 3 in late was not harmed: .*--resume$" err
# shellcheck disable=SC2086
refuses 1 "late already holds an unfinished training: --resume goes on with it" train $wordy --out late
is "it does" "$translate" train --resume --out late
# shellcheck disable=SC2086
is "to the same model" "$translate" train $wordy --out early
is "bit for bit" cmp late/model.safetensors early/model.safetensors
mkdir stray
echo mine >stray/test.tsv
# shellcheck disable=SC2086
refuses 1 "stray already holds files of a model: choose another folder" train $wordy --out stray
finish
