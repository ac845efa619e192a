#!/bin/sh
# A model from training to translations: it learns, is judged, writes, and shows its attention.
# Functions are called by way of `is`.
# shellcheck disable=SC2016,SC2317
# shellcheck source=tests/translate/common.sh
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

is "bahdanau learns numbers" "$translate" train --model bahdanau --count 4000 --hidden 48 \
    --embedding 24 --epochs 12 --out run
is "one line an epoch" test "$(grep -c '^epoch .* loss .* dev perplexity .* free .* tokens .* exact' .out)" -eq 12
next_works eval
next_works run
is "the folder is complete" test -s run/model.safetensors -a -s run/config.json -a \
    -s run/source.json -a -s run/target.json -a "$(wc -l <run/test.tsv)" -eq 200

# judged FILE: exactly the seven keys, each within its range; writes token_accuracy and exact_match.
judged() {
    tr -d '{}"' <"$1" | tr ',' '\n' | awk -F: '
        { n++; keys = keys " " $1; value[$1] = $2 }
        END {
            if (n != 7 || keys != " ppl_forced ppl_free token_accuracy exact_match bleu chrf bleu_tokenize" ||
                value["ppl_forced"] < 1 || value["ppl_free"] < 1 ||
                value["token_accuracy"] < 0 || value["token_accuracy"] > 1 ||
                value["exact_match"] < 0 || value["exact_match"] > 1 ||
                value["bleu"] < 0 || value["bleu"] > 100 ||
                value["chrf"] < 0 || value["chrf"] > 100)
                exit 1
            print value["token_accuracy"], value["exact_match"]
        }'
}
is "eval" "$translate" eval --model run --json
cp .out json
is "eval --json has seven keys within their ranges" judged json
is "it has learned" awk '{ exit !($1 > 0.9 && $2 > 0.6) }' .out
is "eval for people" "$translate" eval --model run --beam 3 --length-penalty 0.6
is "it says what BLEU counts" grep -q "bleu .*(characters, as sacrebleu --tokenize char)" .out
mv run moved
is "a moved folder, the pairs by name" "$translate" eval --model moved --json \
    --pairs moved/test.tsv
is "gives the same numbers" cmp .out json
mv moved run

is "run" "$translate" run --model run "five hundred sixty-two" --attention map.html
is "one line" test "$(wc -l <.out)" -eq 1
cp .out single
is "the page names tokens" grep -q hundred map.html
is "beam, words, options in any order" "$translate" run five --beam 4 hundred --model=run \
    sixty-two --attention map.svg
is "an SVG" grep -q "<svg" map.svg
printf 'five hundred sixty-two\n\nseven\n' >lines
by_lines() { "$translate" run --model run --attention lines.html <lines; }
is "lines of the standard input" by_lines
is "a line for each" test "$(wc -l <.out)" -eq 3
is "the first as alone" test "$(head -n 1 .out)" = "$(cat single)"
is "nothing for nothing" test -z "$(sed -n 2p .out)"
is "maps of both sentences" grep -q "sentence 3" lines.html

is "the five best" "$translate" run --model run --beam 6 --best 5 five hundred sixty-two
is "are five" test "$(wc -l <.out)" -eq 5
is "with falling scores" awk -F'\t' '{ if (NF != 2 || $1 > 0 || (NR > 1 && $1 > last)) bad = 1; last = $1 }
    END { exit bad }' .out
cut -f2 .out >five
is "that differ" test "$(sort -u five | wc -l)" -eq 5
is "the first as a beam of six has it" "$translate" run --model run --beam 6 five hundred sixty-two
is "without its score" test "$(cat .out)" = "$(head -n 1 five)"
best_by_lines() { "$translate" run --model run --beam 3 --best 2 <lines; }
is "the two best of lines" best_by_lines
is "are numbered" test "$(cut -f1 .out | tr '\n' ' ')" = "1 1 3 3 "
is "a score and a text each" test "$(awk -F'\t' 'NF == 3 && $2 < 0 && $3 != ""' .out | wc -l)" -eq 4
refuses 2 "best 3 needs a --beam of at least as many, and it is 2" run --model run --beam 2 --best 3 seven
refuses 2 "and it is 1" run --model run --best 2 seven

# knows SENTENCE: no word of it is complained of; else the one sentence of stderr is in err.
knows() {
    echo "$1" | "$translate" run --model run >/dev/null 2>err && test ! -s err
}
is "known words" knows "seven hundred two"
"$translate" run --model run seven flying pigs flying >out 2>err
is "unknown words are named, each once" grep -qx "translate run: the model does not know the words 'flying' and 'pigs'" err
is "and translated all the same" test "$(wc -l <out)" -eq 1
printf 'seven\nseven pigs\n' | "$translate" run --model run >out 2>err
is "with their line" grep -qx "translate run: line 2: the model does not know the word 'pigs'" err
printf '\357\273\277seven\n\357\273\277seven\n' | "$translate" run --model run >out 2>err
is "a byte order mark is passed over, at the beginning" grep -q "^translate run: line 2: the model does not know" err
is "and no other" test "$(wc -l <err)" -eq 1
is "after it is the same sentence" test "$(head -n 1 out)" = "$("$translate" run --model run seven)"
"$translate" run --model run -- seven >out 2>err
is "-- ends the options" test "$(cat out)" = "$("$translate" run --model run seven)" -a ! -s err
"$translate" run --model run seven -- --beam >out 2>err
is "what follows it is a word" grep -q "does not know the .*beam" err
# shellcheck disable=SC2086
is "a model that reads characters" "$translate" train $tiny --task numbers-back --model gru --out back
"$translate" run --model back "삼x백qx" >out 2>err
is "unknown characters" grep -qx "translate run: the model does not know the characters 'x' and 'q'" err

# shellcheck disable=SC2086
for model in rnn gru lstm luong-dot luong-general luong-concat; do
    is "$model" "$translate" train $tiny --model $model --out "$model" --reverse --layers 2 \
        --dropout 0.1 --smoothing 0.1 --forcing inverse-sigmoid
done
# shellcheck disable=SC2086
is "transformer" "$translate" train $tiny --model transformer --out transformer --layers 2 \
    --heads 2 --dropout 0.1 --smoothing 0.1 --forcing linear
is "its beam" "$translate" eval --model transformer --beam 3 --json
is "its attention" "$translate" run --model transformer seven --attention maps.csv
is "of every layer" test "$(cut -d, -f1 maps.csv | sort -u | grep -c sentence)" -eq 6
is "which reads the source" grep -q '"sentence 1.decoder.blocks.1.cross_attention",1,0,.*,0,"seven",' maps.csv
is "and what was written" grep -q '"sentence 1.decoder.blocks.0.attention",0,0,"<[a-z]*>",0,"<[a-z]*>",1$' maps.csv
is "compare" "$translate" compare run lstm transformer --picture lengths.svg
is "it says how large they are" grep -q '^B  lstm (lstm, hidden 8, [0-9,]* parameters)$' .out
is "no gap between different pairs" test "$(grep -c "^hidden" .out)" -eq 0
is "it says that pairs differ" grep -q "not the same" .out
is "a picture of three lines" test "$(grep -c '>[ABC]  [a-z]*, hidden [0-9]*<' lengths.svg)" -eq 3
is "a row for all" grep -q "^all  *200  " .out
is "on the same pairs" "$translate" compare lstm luong-dot --pairs run/test.tsv
sentence="^hidden 8: on seven words and more, 0.0 % with attention (lowest), 0.0 % without (highest): 0.0 points apart.$"
is "it says what attention is worth" grep -qx "$sentence" .out
is "once" test "$(grep -c "^hidden" .out)" -eq 1
is "it does not" sh -c "! grep -q 'not the same' '$work/.out'"

for forcing in constant linear exponential metric; do
    # shellcheck disable=SC2086
    is "forcing $forcing" "$translate" train $tiny --model luong-dot --input-feeding \
        --forcing $forcing --forcing-least 0.1 --forcing-threshold 0 --forcing-first 0.9 \
        --out "forcing-$forcing" --task dates-korean
done
# shellcheck disable=SC2086
is "the same again" "$translate" train $tiny --model luong-dot --input-feeding \
    --forcing linear --forcing-least 0.1 --forcing-threshold 0 --forcing-first 0.9 \
    --out again --task dates-korean --threads 2
is "has the same bits" cmp again/model.safetensors forcing-linear/model.safetensors

printf '%s\n' 'a cat	eine Katze' 'a dog	ein Hund' '# says nothing' '#1	Nr. 1' 'the cat	die Katze' \
    ' # number	Nummer' >pairs.tsv
printf '고양이	a cat\n개	a dog\n' >korean.tsv
for kind in words characters bpe; do
    # shellcheck disable=SC2086
    is "pairs of a file, $kind" "$translate" train $tiny --model gru --pairs pairs.tsv \
        --vocabulary $kind --swap --out "pairs-$kind"
    is "judged by what was held out" "$translate" eval --model "pairs-$kind"
    is "one pair" grep -q "^pairs  *1$" .out
    is "whose words count, whatever the vocabulary" grep -q "^bleu .*(words, as sacrebleu --tokenize 13a)" .out
done
is "Korean references" "$translate" eval --model pairs-words --pairs korean.tsv --json
is "count by characters" grep -q '"bleu_tokenize":"char"}$' .out
is "small letters" "$translate" train --model gru --pairs pairs.tsv --lower --out lower --epochs 1
is "the time is over" "$translate" train --model gru --minutes 0.001 --out timed
is "and the model is there" "$translate" eval --model timed --json
finish
