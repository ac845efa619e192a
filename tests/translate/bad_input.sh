#!/bin/sh
# Wrong options, bad pairs, damaged and missing files get one sentence and harm nothing; Ctrl-C
# keeps the best epoch.
# shellcheck source=tests/translate/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

for command in train eval run compare; do
    is "$command --help" "$translate" $command --help
done
is "--help" "$translate" --help
refuses 2 "did you mean train" trian
refuses 2 "did you mean bahdanau" train --model bahdanu --out run
refuses 2 "did you mean luong-dot" train --model luong-dto --out run
refuses 2 "there is no model 'x'" train --model x --out run
refuses 2 "did you mean --hidden" train --model gru --hiden 3
refuses 2 "must say which" train --out run
refuses 2 "must say where" train --model gru
refuses 2 "odd" train --model bahdanau --hidden 9 --out run
refuses 2 "hidden 10 is not divisible by --heads 4" train --model transformer --hidden 10 --out run
refuses 2 "reverse is for recurrent" train --model transformer --reverse --out run
refuses 2 "did you mean transformer" train --model tranformer --out run
refuses 2 "attention-entropy: lstm has no attention" train --model lstm --attention-entropy 1 --out run
refuses 2 "input-feeding is for luong" train --model bahdanau --input-feeding --out run
refuses 2 "swap" train --model gru --swap --out run
refuses 2 "73049 pairs of dates" train --model gru --task dates --count 80000 --out run
refuses 2 "min-lr" train --model gru --lr 0.1 --min-lr 1 --out run
refuses 2 "forcing-least" train --model gru --forcing-first 0.1 --forcing-least 0.2 --out run
refuses 2 "never is not for --forcing-least 0.2" train --model gru --forcing never --forcing-least 0.2 --out run
refuses 2 "below 1" train --model gru --forcing exponential --forcing-k 2 --out run
refuses 2 "numbers|numbers-back" train --model gru --task letters --out run
refuses 2 "below 1" train --model gru --dropout 1 --out run
refuses 2 "must say which model" eval
refuses 2 "must say which model" run "a sentence"
refuses 2 "unexpected argument" eval --model run extra
refuses 2 "1 to 26 folders" compare
refuses 1 "No such file" train --model gru --pairs missing.tsv --out run
printf 'one\ttwo\nthree four\n' >pairs
refuses 1 "pairs:2: .*no tab" train --model gru --pairs pairs --out run
printf 'one\ttwo\n\tfour\n' >pairs
refuses 1 "pairs:2: .*first column is empty" train --model gru --pairs pairs --out run
printf 'one\t \nthree\tfour\n' >pairs
refuses 1 "pairs:1: .*second column is empty" train --model gru --pairs pairs --out run
: >pairs
refuses 1 "pairs holds no pair" train --model gru --pairs pairs --out run
printf '# only\n\n# words\n' >pairs
refuses 1 "pairs holds no pair" train --model gru --pairs pairs --out run
printf 'one\ttwo\n' >pairs
refuses 1 "different sources" train --model gru --pairs pairs --out run
refuses 1 "of memory\|more memory" train --model gru --hidden 1000000 --layers 60 --out run
# A batch is padded to its longest pair, of which one is enough.
awk 'BEGIN {
    for (i = 0; i < 60; i++) printf "a%d b%d\tc%d\n", i, i % 7, i % 5
    for (i = 0; i < 3000; i++) long = long " w" i % 50
    print long "\t" long }' >long.tsv
for model in bahdanau luong-concat; do
    refuses 1 "padded to [0-9,]* tokens of source and [0-9,]* .*GiB of memory.*: leave out the longest pairs" \
        train --pairs long.tsv --model $model --hidden 8 --embedding 8 --epochs 1 --out run
done
is "refused lines made no folder" test ! -e run
"$translate" train --model rnn --lr 1e60 --clip 0 --count 2000 --schedule constant --warmup 0 \
    --out diverged --epochs 3 >out 2>err
is "NaN ends a training with 1" test $? -eq 1
is "and one sentence" grep -q "is not finite.* --lr" err
"$translate" train --model luong-general --lr 1e6 --count 300 --hidden 16 --embedding 8 --epochs 2 \
    --out high >out 2>err
is "so does an infinite perplexity" test $? -eq 1
is "with its sentence" grep -q "dev perplexity is not finite (infinity).*no epoch has been kept" err
is "nothing of it is left" test ! -e high

# shellcheck disable=SC2086
is "a run" "$translate" train $tiny --model gru --out run
refuses 1 "already holds a model" train --model gru --out run
refuses 1 "No such file" eval --model nowhere
refuses 1 "No such file" eval --model run --pairs missing
printf '# nothing\n' >none
refuses 1 "holds no pair" eval --model run --pairs none
refuses 2 "has none to show" run --model run seven --attention map.html
refuses 2 "html, .svg, .csv or .json" run --model run seven --attention map.png
refuses 1 "UTF-8" run --model run "$(printf 'bad \377')"
refuses 1 "nowhere" compare run nowhere
refuses 1 "the standard input holds no sentence" run --model run
is "a model with attention" "$translate" train --count 300 --hidden 8 --embedding 8 --epochs 1 \
    --model luong-dot --out luong
awk 'BEGIN { for (i = 0; i < 12000; i++) long = long " seven"; print long "\t" long; print "one\t일" }' >longer.tsv
for command in "eval --model" compare; do
    # shellcheck disable=SC2086
    refuses 1 "judging by a batch of 2 pairs, .* 12,001 tokens of source .*: leave out" $command luong --pairs longer.tsv
done
refuses 1 "the standard input holds no sentence" run --model luong --attention map.svg
echo >blank
"$translate" run --model luong --attention map.svg <blank >out 2>err
is "attention of no word ends with 1" test $? -eq 1
is "and one sentence" grep -qx "translate run: --attention: no sentence has a word to look at" err
is "and no picture" test ! -e map.svg

# 1e6 as the bias of padding, which no reference has: perplexities beyond all numbers.
cp -R run huge
size=$(wc -c <run/model.safetensors)
head -c 3000 run/model.safetensors | LC_ALL=C tr '}' '\n' | LC_ALL=C tr -c 'a-z0-9_.\n' ' ' >entries
data=$((size - $(awk '/data_offsets/ { if ($NF > most) most = $NF } END { print most }' entries)))
at=$((data + $(awk '$1 == "seq2seq.output.bias" { print $(NF - 1) }' entries)))
printf '\000\044\164\111' | dd of=huge/model.safetensors bs=1 seek=$at conv=notrunc 2>"$work/.err"
is "a perplexity beyond all numbers" "$translate" eval --model huge
is "is above 1e9" grep -qx "ppl_forced      > 1e9" .out
is "in JSON" "$translate" eval --model huge --json
is "it is null" grep -q '^{"ppl_forced":null,"ppl_free":null,"token_accuracy":0' .out
cp -R run nan
for bits in '\000\000\300\177' '\000\000\200\177'; do
    # shellcheck disable=SC2059
    printf "$bits" | dd of=nan/model.safetensors bs=1 seek=$data conv=notrunc 2>"$work/.err"
    printf '\000\000\300\177' | dd of=nan/model.safetensors bs=1 seek=$at conv=notrunc 2>"$work/.err"
    for command in "run --model nan seven" "eval --model nan" "compare nan"; do
        # shellcheck disable=SC2086
        refuses 1 "NaN instead of probabilities: its numbers are damaged (seq2seq" $command
    done
done
refuses 1 "cannot write nowhere/map.svg" compare run --picture nowhere/map.svg
refuses 2 "picture must name a file .svg, not 'map.png'" compare run --picture map.png
refuses 1 "No such file" compare nowhere --picture map.svg
is "no picture of nothing" test -z "$(find . -name 'map*')"

# damaged FILE PATTERN: a copy of the run whose FILE has been replaced by `new` is refused.
damaged() {
    rm -rf bad
    cp -R run bad
    mv new "bad/$1"
    refuses 1 "$2" run --model bad seven
}
for file in model.safetensors config.json source.json target.json; do
    rm -rf bad
    cp -R run bad
    rm "bad/$file"
    refuses 1 "bad/$file: No such file" eval --model bad
    head -c 30 "run/$file" >new
    damaged "$file" "$file"
done
rm -rf bad
cp -R run bad
rm bad/test.tsv
refuses 1 "test.tsv: No such file" eval --model bad
# shellcheck disable=SC2086
is "a model of other tokens" "$translate" train $tiny --model gru --task dates --out dates
cp dates/source.json new
damaged source.json "source.json has .* tokens, but the model was made for"
cp dates/target.json new
damaged target.json "target.json has .* tokens, but the model was made for"
for file in source.json target.json; do
    sed 's/,"[^",]*"]}/]}/' run/$file >new
    damaged $file "$file has .* tokens, but the model was made for"
done
cp run/source.json new
damaged target.json "target.json has .* tokens, but the model was made for"
sed 's/one/ones/' run/source.json >new
damaged source.json "source.json is not the vocabulary that the model was made with"
cp dates/model.safetensors new
damaged model.safetensors "model.safetensors"
sed 's/"hidden": 8/"hidden": 9/' run/config.json >new
damaged config.json "model.safetensors"
sed 's/"gru"/"grue"/' run/config.json >new
damaged config.json "did you mean gru"
sed 's/"gru"/"gr\\nu"/' run/config.json >new
damaged config.json "there is no model 'gr"
sed 's/"layers": 1/"layers": 1000/' run/config.json >new
damaged config.json "config.json"
sed 's/"numbers"/"letters"/' run/config.json >new
damaged config.json "must be one of"
sed 's/"reverse": false/"reverse": 0/' run/config.json >new
damaged config.json "true or false"
sed '/"attention-entropy"/d' run/config.json >older
cp -R run old
mv older old/config.json
is "a model from before there was an option" "$translate" eval --model old
sed '/"dropout"/d' run/config.json >new
damaged config.json '"dropout" is missing'
sed 's/"dropout"/"drop"/' run/config.json >new
damaged config.json "'drop' is not known"
sed 's/"smoothing": 0/"smoothing": 1/' run/config.json >new
damaged config.json '"smoothing" is not between'
sed 's/"model": "gru"/"model": null/' run/config.json >new
damaged config.json '"model" must be a string'
full "$translate" --help
full "$translate" --version
full "$translate" train --help
# shellcheck disable=SC2086
full "$translate" train --model gru $tiny --out unseen
is "what was learned is kept all the same" test -s unseen/model.safetensors
echo '{"format": "heed gpt"}' >new
damaged config.json "not the configuration of a heed translate, but of a heed gpt$"
echo '{"format": "heed x", "version": 1}' >new
damaged config.json "not the configuration of a heed translate$"

# Ctrl-C after the first epoch, and before it.
"$translate" train --model gru --count 3000 --hidden 16 --epochs 100000 --patience 0 \
    --out stopped >out 2>err &
pid=$!
waited=0
until [ -s stopped/model.safetensors ] || [ $waited -ge 600 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
wait $pid
is "an interrupted run ends with 130" test $? -eq 130
is "and says what it kept" grep -q "^Kept: epoch" out
is "and complains of nothing" test ! -s err
is "and the best epoch is there" "$translate" eval --model stopped
"$translate" train --model bahdanau --count 60000 --out early >early.out 2>err &
pid=$!
waited=0
until grep -q "^steps" early.out || [ $waited -ge 600 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
wait $pid
is "so does one before its first epoch" test $? -eq 130
is "whose numbers are there too" "$translate" run --model early seven
finish
