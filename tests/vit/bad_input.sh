#!/bin/sh
# Wrong options, broken images and damaged folders get one sentence and harm nothing; Ctrl-C
# keeps the best epoch.
# Texts of files are formats of printf, whose escapes are bytes.
# shellcheck disable=SC2059,SC2086
# shellcheck source=tests/vit/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

for command in train eval; do
    is "$command --help" "$vit" $command --help
done
is "--help" "$vit" --help
refuses 2 "did you mean train" trian
refuses 2 "did you mean --layers" train --layrs 3 --out run
refuses 2 "must say where" train
refuses 2 "must say which model" eval
refuses 2 "must say which images" eval --model run
refuses 2 "below 1" train --dropout 1 --out run
refuses 2 "width 10 is not divisible by heads 4" train --width 10 --out run
refuses 1 "patches of 3 x 3 do not cut an image of 8 x 8 evenly" train --patch 3 --out run
refuses 1 "one part empty" train --hold-out 0.0001 --out run
refuses 1 "No such file" train --train missing.csv --out run

# broken PATTERN TEXT: a file of these lines is refused.
broken() {
    printf "$2" >bad.csv
    refuses 1 "$1" train --train bad.csv --out run
}
good='1,2,3,4,0\n4,3,2,1,1\n'
broken "bad.csv holds no image" ''
broken "bad.csv holds no image" 'a,b,c,d,class\n'
broken "bad.csv holds no image" 'a,b,c,d,class\n\n\n'
broken "bad.csv:4: expected 4 pixels and a label, found 1" '\n\n1,2,3,4,0\n1\n'
broken "bad.csv:3: expected 4 pixels and a label, found 4 columns" "${good}1,2,3,4\n"
broken "bad.csv:3: expected 4 pixels and a label, found 6 columns" "${good}1,2,3,4,0,0\n"
broken "bad.csv:4: column 2, 'x', is not a number" "a,b,c,d,e\n${good}1,x,3,4,0\n"
broken "bad.csv:1: column 3, '', is not a number" '1,2,,4,0\n'
broken "bad.csv:1: column 1, 'nan', is not\|not the pixels\|holds no image" 'nan,2,3,4,0\n'
broken "column 4, '4e', is not a number" '1,2,3,4e,0\n'
broken "column 1 must be from 0 to 65535, not -1" '\0551,2,3,4,0\n'
broken "column 5 (the label) must be from 0 to 999, not 1000" "${good}1,2,3,4,1000\n"
broken "bad.csv:3: the label 0.5 is no whole number" "${good}1,2,3,4,0.5\n"
broken "6 columns: expected the pixels of a square image" '1,2,3,4,5,0\n'
broken "column 2, .* is not a number" '1,2\000x,3,4,0\n'
broken "one part empty" '\357\273\277a,b,c,d,class\n1,2,3,4,0\n'
broken "bad.csv: every label is 0" "$(awk 'BEGIN { for (i = 0; i < 20; i++) printf "7,2,0,0,0\\n" }')"
broken "bad.csv:1: 1 column: expected .* commas between them" '1;2;3;4;0\n'
broken "column 5 (the label), 'cat', is not a number" "${good}1,2,3,4,cat\n"
for names in label,a,b,c,d '"Label","a","b","c","d"' Class,a,b,c,d; do
    broken "bad.csv:1: the first column is called .*, but the label must be the last one" "$names\n0,1,2,3,4\n"
done
black='0,0,0,0,0\n0,0,0,0,1\n0,0,0,0,0\n0,0,0,0,1\n0,0,0,0,0\n'
broken "every pixel of every image is 0" "$black$black"

head='\000\000\010\003\000\000\000\002\000\000\000\001\000\000\000\001'
printf "$head\001\002" >a-images
refuses 1 "a-labels: No such file" train --train a-images --out run
printf '\000\000\010\001\000\000\000\003\000\001\000' >a-labels
refuses 1 "a-labels has 3 labels for 2 images" train --train a-images --out run
printf '\000\000\010\001\000\000\000\002\000' >a-labels
refuses 1 "a-labels: its head says 2 bytes, and 1 follow: it is cut off" train --train a-images --out run
printf "$head\001" >a-images
refuses 1 "a-images: its head says 2 bytes, and 1 follow: it is cut off" train --train a-images --out run
printf '\000\000\010' >a-images
refuses 1 "a-images is cut off: 3 bytes" train --train a-images --out run
printf '\000\000\010\004\000\000\000\002\000\000\000\001\000\000\000\001\001\002' >a-images
refuses 1 "the magic number is 00000804, but that of IDX images is 00000803" train --train a-images --out run
printf '\000\000\010\003\377\377\377\377\377\377\377\377\377\377\377\377\001\002' >a-images
refuses 1 "a-images: its head says more bytes than can be counted" train --train a-images --out run
printf "$head\001\002" >digits
refuses 1 "\"images\" in the name" train --train digits --out run
printf "$head\001\002" >a-images
printf '\037\213\010\000' >a-labels
refuses 1 "the labels that belong to a-images: a-labels is compressed by gzip: .* gunzip" train --train a-images --out run
cp a-labels a-images.gz
refuses 1 "^vit train: a-images.gz is compressed by gzip: .* gunzip" train --train a-images.gz --out run
is "refused lines made no folder" test ! -e run

# shellcheck disable=SC2086
is "a run" "$vit" train $tiny --out run
refuses 1 "already holds a model" train --out run
refuses 1 "No such file" eval --model nowhere --test bad.csv
printf '1,2,3,4,0\n' >small.csv
refuses 1 "its images are 2 x 2, but 8 x 8 are needed" eval --model run --test small.csv
printf "$head\001\002" >a-images
refuses 1 "its images are 1 x 1, but 8 x 8 are needed" eval --model run --test a-images
awk 'BEGIN { for (i = 0; i < 64; i++) printf "1,"; print 10 }' >ten.csv
refuses 1 "ten.csv:1: column 65 (the label) must be from 0 to 9, not 10" eval --model run --test ten.csv

# damaged FILE PATTERN: a copy of the run whose FILE has been replaced by `new` is refused.
damaged() {
    rm -rf bad
    cp -R run bad
    mv new "bad/$1"
    refuses 1 "$2" eval --model bad --test ten.csv
}
head -c 30 run/model.safetensors >new
damaged model.safetensors model.safetensors
head -c 30 run/config.json >new
damaged config.json config.json
echo '{"format": "heed gpt"}' >new
damaged config.json "not the configuration of a heed vit, but of a heed gpt"
sed 's/"width": 8/"width": 12/' run/config.json >new
damaged config.json "model.safetensors"
sed 's/"mean": false/"mean": 0/' run/config.json >new
damaged config.json "true or false"
sed 's/"brightest": 16/"brightest": 0/' run/config.json >new
damaged config.json "brightest"
sed '/"classes"/d' run/config.json >new
damaged config.json '"classes" is missing'
sed 's/"layers"/"layer"/' run/config.json >new
damaged config.json "'layer' is not known"

"$vit" train --lr 1e30 --clip 0 --warmup 0 --epochs 2 --width 8 --layers 1 --out diverged >out 2>err
is "NaN ends a training with 1" test $? -eq 1
is "and one sentence" grep -q "not finite.* --lr" err
is "and leaves no folder that is in the way" test ! -e diverged/config.json
"$vit" train --lr 1e30 --clip 0 --warmup 0 --epochs 1 --batch 65536 --width 8 --layers 1 --out diverged >out 2>err
is "NaN after the only step ends a training with 1" test $? -eq 1
is "and one sentence again" grep -q "not finite.* --lr" err
is "and leaves no folder either" test ! -e diverged
for limit in 0 4; do
    said=$( (
        ulimit -f $limit
        "$vit" train $tiny --out small 2>&1
    ) | grep -c "^vit train: cannot write small/")
    is "a full disk is said in a sentence" test "$said" -eq 1
    is "and leaves no folder" test ! -e small
done
mkdir stray
echo mine >stray/model.safetensors
refuses 1 "stray already holds a model" train --out stray
full "$vit" --help
full "$vit" --version
full "$vit" train --help
# shellcheck disable=SC2086
full "$vit" train $tiny --out unseen
is "what was learned is kept all the same" test -s unseen/model.safetensors
if awk '$1 == "MemAvailable:" && $2 < 190000000 { few = 1 } END { exit !few }' /proc/meminfo; then
    refuses 1 "of memory" train --width 4096 --layers 64 --out large
fi
# A byte order mark is no name of a column.
awk 'BEGIN { printf "\357\273\277"; for (i = 0; i < 20; i++) print "1,2,3," i ",", i % 2 }' | tr -d ' ' >bom.csv
"$vit" train $tiny --patch 1 --train bom.csv --out bom >out
is "an image after a byte order mark is one" grep -q ": 18 to learn from, 2 dev" out

# Labels that are first, without a line of names: their place is taken by pixels.
awk 'BEGIN { for (i = 0; i < 40; i++) print i % 2 ",7,7,7," i % 3 * 9 }' >first.csv
"$vit" train $tiny --patch 1 --train first.csv --out first >out 2>err
is "labels that leave gaps are wondered at" grep -q "largest label is 18, but 16 of .* is the last column the label?" err
for help in "--help" "train --help" "eval --help"; do
    is "$help" "$vit" $help
    is "tells what a CSV holds" grep -q "last column the label" .out
    is "and where IDX has its labels" grep -q "train-labels-idx1-ubyte" .out
done

"$vit" train --width 8 --layers 1 --heads 2 --epochs 100000 --out stopped >out 2>err &
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
"$vit" train --width 128 --out early >early.out 2>err &
pid=$!
waited=0
until grep -q "^model" early.out || [ $waited -ge 600 ]; do
    sleep 0.05
    waited=$((waited + 1))
done
kill -INT $pid
wait $pid
is "so does one in its first epoch" test $? -eq 130
is "and says that it was" grep -q "^Kept: the numbers as they were, before the first look" early.out
is "and they are there" test -s early/model.safetensors
finish
