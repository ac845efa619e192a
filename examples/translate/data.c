/* Pairs as tokens (data.h). */
#include "data.h"

#include <stdlib.h>

bool encode_sentence(const vocabulary *v, text_span text, id_list *ids, char *error,
                     size_t error_size)
{
    if (!vocabulary_encode(v, text.bytes, text.size, ids, error, error_size))
        return false;
    return id_list_add(ids, VOCABULARY_EOS) ||
           heed__say(error, error_size, "not enough memory");
}

bool pair_ids_make(pair_ids *p, const corpus *c, corpus_part part,
                   const vocabulary *const vocabularies[SIDES], char *error, size_t error_size)
{
    const corpus_pair *pairs = c->pairs + c->starts[part];
    *p = (pair_ids){ .count = (int64_t)(c->starts[part + 1] - c->starts[part]) };
    bool good = true;
    for (int side = 0; good && side < SIDES; side++) {
        p->starts[side] = calloc((size_t)p->count + 1, sizeof *p->starts[side]);
        if (!p->starts[side])
            good = heed__say(error, error_size, "not enough memory");
        for (int64_t i = 0; good && i < p->count; i++) {
            text_span text = side == SIDE_SOURCE ? pairs[i].source : pairs[i].target;
            good = encode_sentence(vocabularies[side], text, &p->ids[side], error, error_size);
            p->starts[side][i + 1] = (int64_t)p->ids[side].count;
        }
    }
    if (!good)
        pair_ids_free(p);
    return good;
}

void pair_ids_free(pair_ids *p)
{
    for (int side = 0; side < SIDES; side++) {
        id_list_free(&p->ids[side]);
        free(p->starts[side]);
    }
    *p = (pair_ids){ 0 };
}

int64_t pair_ids_longest(const pair_ids *p, int side)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < p->count; i++) {
        int64_t length = p->starts[side][i + 1] - p->starts[side][i];
        longest = length > longest ? length : longest;
    }
    return longest;
}

heed_batches *pair_ids_batches(const pair_ids *p, heed_batches_options options, char *error,
                               size_t error_size)
{
    const heed_field fields[SIDES] = {
        { .data = p->ids[SIDE_SOURCE].ids,
          .starts = p->starts[SIDE_SOURCE],
          .pad = VOCABULARY_PAD },
        { .data = p->ids[SIDE_TARGET].ids,
          .starts = p->starts[SIDE_TARGET],
          .pad = VOCABULARY_PAD },
    };
    return heed_batches_new(SIDES, fields, p->count, options, error, error_size);
}
