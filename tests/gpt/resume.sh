#!/bin/sh
# A run that is killed at random moments and resumed ends with the same bits as one that was
# left alone. HEED_TRIES says how often (default 2).
# Functions are called by way of `is`.
# shellcheck disable=SC2317
# shellcheck source=tests/gpt/common.sh
. "$(dirname "$0")/common.sh"
make_text
cd "$work" || exit 1
options="$tiny --data text --steps 600 --eval-every 20 --eval-batches 2 --save-every 7
         --dropout 0.1 --accumulate 2 --threads 1"

same_logs() {
    log_of whole >log.whole
    log_of "$1" >log.part
    cmp log.whole log.part
}

# shellcheck disable=SC2086
is "a run that is left alone" "$gpt" train $options --out whole
try=0
while [ $try -lt "${HEED_TRIES:-2}" ]; do
    try=$((try + 1))
    kills=0
    rm -rf part
    while [ $kills -lt 40 ]; do
        if [ -e part/checkpoint.safetensors ]; then
            "$gpt" train --resume --out part --progress none >out 2>&1 &
        else
            rm -rf part
            # shellcheck disable=SC2086
            "$gpt" train $options --out part >out 2>&1 &
        fi
        pid=$!
        sleep "0.$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%03d", $1 / 2 }')"
        kill -9 $pid 2>/dev/null || break
        wait $pid 2>/dev/null
        [ $? -eq 137 ] || break
        kills=$((kills + 1))
    done
    wait "$pid" 2>/dev/null
    # Whether the last one was killed or came to its end, this one does.
    "$gpt" train --resume --out part --progress none >out 2>&1 || sed 's/^/# /' out
    is "try $try, killed $kills times: equal checkpoints" \
        cmp whole/checkpoint.safetensors part/checkpoint.safetensors
    is "try $try: equal parameters" cmp whole/model.safetensors part/model.safetensors
    is "try $try: equal logs but for the timings" same_logs part
    is "try $try: nothing half done is left" \
        test -z "$(find part -name '*tmp*')"
done
finish
