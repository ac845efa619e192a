#!/bin/sh
# The arrows between the rooms of the source tree, as docs/design.md draws them, read off the #include
# lines; and the few words that may stand in one room only. Run from anywhere; prints what breaks a rule.
set -eu
cd "$(dirname "$0")/.."

# file include, one a line: core/ops/dropout.c "../engine.h"
list_includes() {
    find core nn optim examples -name '*.[ch]' -o -name '*.inc' | LC_ALL=C sort | while read -r file; do
        sed -n 's/^[ \t]*#[ \t]*include[ \t]*\(["<][^">]*[">]\).*/\1/p' "$file" | sed "s|^|$file |"
    done
}

# Headers of the C library and the system, which every room may use; OpenMP's is not among them.
is_system() {
    case $1 in
    '<omp.h>' | '<heed/'*) return 1 ;;
    '<'*) return 0 ;;
    esac
    return 1
}

# is_in FOLDER INCLUDE: a quoted name without a folder, of a file in that one.
is_in() {
    case $2 in
    */* | '<'*) return 1 ;;
    esac
    [ -f "$1/$(echo "$2" | tr -d '"')" ]
}

is_allowed() {
    file=$1 include=$2 folder=${1%/*}
    if is_system "$include"; then
        return 0
    fi
    case $file in
    core/kernels/*) # knows nobody
        case $include in
        '<omp.h>') [ "$file" = core/kernels/parallel.h ] ;;
        *) is_in "$folder" "$include" ;;
        esac
        ;;
    core/ops/ops.h) # what the op files see
        case $include in
        '"../op.h"' | '"../ops.def"' | '"../kernels/kernels.h"' | '"../kernels/integer.h"' | '"../kernels/portable.h"') true ;;
        *) false ;;
        esac
        ;;
    core/ops/*) # the tape's insides are closed to them, but draws take their keys from its streams
        case $file:$include in
        core/ops/family.c:'"../ops.def"') true ;;
        core/ops/dropout.c:'"../engine.h"' | core/ops/random.c:'"../engine.h"') true ;;
        *) is_in "$folder" "$include" ;;
        esac
        ;;
    core/arena.* | core/memory.* | core/file.* | core/text.* | core/json*) # know no tensor
        case $include in
        '"arena.h"' | '"memory.h"' | '"file.h"' | '"text.h"' | '"json.h"' | '"heed.h"') true ;;
        *) false ;;
        esac
        ;;
    core/heed.h) [ "$include" = '"operations.h"' ] ;;
    core/operations.h | core/op.h | core/params.h) [ "$include" = '"heed.h"' ] ;;
    core/*) # no op file; the kernels only by their table
        case $include in
        '"kernels/kernels.h"' | '"kernels/philox.h"') true ;;
        *) is_in "$folder" "$include" ;;
        esac
        ;;
    nn/lora.c) # a module, which reads patterns of names
        case $include in
        '"nn.h"' | '"lora_parts.h"' | '"../core/text.h"') true ;;
        *) false ;;
        esac
        ;;
    nn/batches.c | nn/statistics.c) # no modules: they keep memory of their own
        case $include in
        '"training.h"' | '"../core/memory.h"' | '"../core/text.h"') true ;;
        *) false ;;
        esac
        ;;
    nn/sampler.c | nn/beam.c) # likewise
        case $include in
        '"decode.h"' | '"../core/memory.h"') true ;;
        *) false ;;
        esac
        ;;
    nn/inspect*) # no modules either: memory of their own, and files
        case $include in
        '"inspect.h"' | '"inspect_parts.h"' | '<heed/heed.h>') true ;;
        '"../core/memory.h"' | '"../core/text.h"' | '"../core/json.h"' | '"../core/file.h"') true ;;
        *) false ;;
        esac
        ;;
    nn/*) # what a user sees
        case $include in
        '"lora.h"' | '"lora_parts.h"') true ;;
        '"nn.h"' | '"training.h"' | '"align.h"' | '"align_parts.h"') true ;;
        '"multihead_parts.h"' | '"recurrent.h"' | '"recurrent_cell.h"' | '"seq2seq.h"' | '"transformer.h"' | '"forcing.h"') true ;;
        '"bert.h"' | '"vit.h"') true ;;
        '<heed/heed.h>' | '<heed/params.h>' | '<heed/nn.h>') true ;;
        '<heed/align.h>' | '<heed/recurrent.h>' | '<heed/decode.h>' | '<heed/forcing.h>') true ;;
        *) false ;;
        esac
        ;;
    optim/*) # sets of parameters and the update kernels; no module, no tape
        case $include in
        '"optim.h"' | '"optimizer.h"' | '<heed/params.h>') true ;;
        '"../core/set.h"' | '"../core/kernels/kernels.h"') true ;;
        '"../core/memory.h"' | '"../core/text.h"') true ;;
        *) false ;;
        esac
        ;;
    examples/*) # the public headers, and core's plain helpers for text and files
        case $include in
        '<heed/'*) true ;;
        '"text.h"' | '"json.h"' | '"file.h"' | '"memory.h"') true ;;
        *) is_in "$folder" "$include" || is_in examples/text "$include" ;;
        esac
        ;;
    esac
}

report=$(
    list_includes | while read -r file include; do
        is_allowed "$file" "$include" || echo "$file may not include $include"
    done

    # Threads are the business of one file.
    grep -rnE '_OPENMP|omp_[a-z]+ *\(|#[ \t]*pragma[ \t]+omp' core nn optim --include='*.[ch]' --include='*.inc' |
        grep -v '^core/kernels/parallel\.h:' | sed 's/$/    <- OpenMP outside parallel.h/' || true

    # The library neither ends the process nor prints; only reports are written, to a FILE of the caller's.
    grep -rnE '(^|[^a-zA-Z0-9_>.])(printf|puts|putchar|perror|vprintf|exit|_exit|abort|longjmp|system) *\(' \
        core nn optim --include='*.[ch]' --include='*.inc' |
        sed 's/$/    <- the library never prints, exits or aborts/' || true
    grep -rnE '(^|[^a-zA-Z0-9_])(fprintf|fputs|fputc|vfprintf) *\(' core nn optim --include='*.c' |
        grep -vE '^(core/(tensor|graph|check[a-z_]*|params_partial)|nn/statistics|nn/inspect_report)\.c:' |
        sed 's/$/    <- only tensors and reports are written to a FILE/' || true
    grep -rnE '\bstd(out|err)\b' core nn optim --include='*.c' --include='*.inc' |
        sed 's/$/    <- the caller says where to print/' || true
)
if [ -n "$report" ]; then
    echo "$report"
    echo "docs/design.md, section \"Rooms\", says which arrows there are."
    exit 1
fi
echo "includes of $(list_includes | cut -d' ' -f1 | uniq | wc -l | tr -d ' ') files follow the arrows"
