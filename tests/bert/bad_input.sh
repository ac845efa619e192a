#!/bin/sh
# shellcheck disable=SC2086
# Wrong options, bad texts and damaged folders get one sentence and harm nothing; Ctrl-C keeps
# what was learned.
# shellcheck source=tests/bert/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

for command in train fill; do
    is "$command --help" "$bert" $command --help
done
is "--help" "$bert" --help
refuses 2 "did you mean train" trian
refuses 2 "did you mean --steps" train --step 3
refuses 2 "did you mean --steps" --step 3
refuses 2 "learned|sinusoidal" train --positions learnt
refuses 2 "must say which model" fill "a [MASK]"
refuses 2 "there is no \[MASK\]" fill --model run "a word"
refuses 2 "there is no \[MASK\]" fill --model run
refuses 2 "width 10 is not divisible by heads 4" train --width 10 --out run
refuses 2 "rotary turns pairs of numbers, and a head has 3" train --width 12 --heads 4 --positions rotary
refuses 1 "No such file" train --data missing.txt --out run
printf 'one\ntwo\n' >few
refuses 1 "few has 2 sentences, and 10 are needed" train --data few --out run
: >empty
refuses 1 "empty has 0 sentences" train --data empty --out run
printf 'bad \377\n' >bytes
refuses 1 "bytes: the byte at offset 4 is not UTF-8" train --data bytes --out run
is "refused lines made no folder" test ! -e run

# shellcheck disable=SC2086
is "a run" "$bert" train $tiny --longest 8 --out run
refuses 1 "already holds a model" train --out run
refuses 1 "No such file" fill --model nowhere "a [MASK]"
refuses 1 "has 10 tokens, and 8 fit" fill --model run "the the the the the the the the [MASK]"
refuses 1 "UTF-8" fill --model run "$(printf '[MASK] \377')"

# damaged FILE PATTERN: a copy of the run whose FILE has been replaced by `new` is refused.
damaged() {
    rm -rf bad
    cp -R run bad
    mv new "bad/$1"
    refuses 1 "$2" fill --model bad "the [MASK]"
}
for file in model.safetensors config.json vocabulary.json; do
    head -c 30 "run/$file" >new
    damaged "$file" "$file"
done
sed 's/"width": 8/"width": 12/' run/config.json >new
damaged config.json "model.safetensors"
sed 's/"tokens": \([0-9]*\)/"tokens": 1\1/' run/config.json >new
damaged config.json "vocabulary.json has .* tokens, but the model was made for"
sed 's/"post-norm": false/"post-norm": 0/' run/config.json >new
damaged config.json "true or false"
echo '{"format": "heed vit", "version": 1}' >new
damaged config.json "not the configuration of a heed bert, but of a heed vit"
sed 's/"dropout": 0/"dropout": 2/' run/config.json >new
damaged config.json "dropout"

"$bert" train --lr 1e30 --clip 0 --warmup 0 --steps 50 --width 8 --layers 1 --heads 2 >out 2>err
is "NaN ends a training with 1" test $? -eq 1
is "and one sentence" grep -q "not finite.* --lr" err
"$bert" train $tiny --lr 1e30 --clip 0 --warmup 0 --steps 1 --out diverged >out 2>err
is "NaN after the last step ends a training with 1" test $? -eq 1
is "and one sentence again" grep -q "not finite.* --lr" err
is "and such numbers are not kept" test ! -e diverged
mkdir stray
echo mine >stray/vocabulary.json
refuses 1 "stray already holds a model" train $tiny --out stray
is "which is as it was" test "$(cat stray/vocabulary.json)" = mine
# A disk that is full: at the vocabulary, and at the numbers after it.
for limit in 1 8; do
    (
        ulimit -f $limit
        "$bert" train $tiny --out full >out 2>err
    )
    is "a full disk ends a training with 1" test $? -eq 1
    is "and one sentence" grep -q "^bert train: cannot write full/" err
    is "and leaves no folder" test ! -e full
done
refuses 1 "cannot make the folder few" train $tiny --out few/run
full "$bert" --help
full "$bert" --version
full "$bert" train --help
full "$bert" train $tiny
if awk '$1 == "MemAvailable:" && $2 < 190000000 { few = 1 } END { exit !few }' /proc/meminfo; then
    refuses 1 "of memory" train --width 4096 --layers 64 --out large
fi

"$bert" train --width 8 --layers 1 --heads 2 --steps 100000000 --every 10 --out stopped >out 2>err &
pid=$!
waited=0
until grep -q "^step" out || [ $waited -ge 600 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
wait $pid
is "an interrupted run ends with 130" test $? -eq 130
is "and complains of nothing" test ! -s err
is "and what it learned is there" "$bert" fill --model stopped "the [MASK]"
finish
