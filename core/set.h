/* The insides of heed_params and heed_gradients, for parameter.c, gradients.c, archive.c
 * and the optimizer. */
#ifndef HEED_SET_H
#define HEED_SET_H

#include "params.h"

#define HEED__SCOPES       32
#define HEED__CHUNK_HEADER ((sizeof(heed__chunk) + 63) / 64 * 64)

typedef struct heed__chunk {
    struct heed__chunk *next;
    size_t size, used;
} heed__chunk;

struct heed_params {
    const heed_allocator *allocator;
    heed_allocator own;
    heed_dtype dtype;
    heed__chunk *chunks, *newest; /* all memory of the set; newest: where values go next */
    size_t bytes;
    heed_parameter **list;
    int count, capacity;
    char scope[384];
    int scope_ends[HEED__SCOPES], depth;
    heed_gradients *gradients;
    bool failed;
    char error[512];
};

/* Gradients mirror the layout of the trainable parameters: one block, in their order, padded
 * alike. What is empty and stale holds old numbers that count as 0: a sweep writes over
 * them, and heed__gradients_settle clears what it did not reach. */
struct heed_gradients {
    heed_params *set;
    const heed_allocator *allocator;
    heed_allocator own; /* so that the set may be freed first */
    int count;          /* parameters known to the layout below */
    int64_t *offset;    /* by parameter, in elements; -1: none */
    bool *empty;        /* by parameter: nothing written since the last zero */
    bool *stale;        /* by parameter, of the empty ones: memory is yet to be cleared */
    void *block;
    int64_t elements; /* with padding */
    size_t header_bytes, block_bytes;
    int unfinished; /* sweeps begun and not ended; one that failed stays until the next zero */
};

/* A maximal run of trainable parameters that are neighbours in memory and have equal flags.
 * `offset` is the run's place in any block laid out like the gradients (moments). */
typedef struct heed_run {
    int first, count; /* parameters */
    void *value, *gradient;
    int64_t size, offset;
    unsigned flags;
} heed_run;

/* Walks the runs: start with *run zeroed; false past the last. */
bool heed__next_run(const heed_gradients *g, heed_run *run);
/* Brings the layout up to date with new parameters and changed flags; keeps gradients that
 * are there. */
bool heed__gradients_update(heed_gradients *g);
/* Clears what is empty and stale: from then on the whole block reads as it should. */
void heed__gradients_settle(const heed_gradients *g);

/* Where each parameter lies in a block for the trainable ones (gradients, moments), in
 * elements; -1 for the others. Returns the elements of the block, each parameter padded to
 * 64 bytes. */
int64_t heed__layout(const heed_params *ps, int64_t *offset);
/* Whether such a layout, made when the set had `count` parameters, is still right. */
bool heed__layout_holds(const heed_params *ps, int count, const int64_t *offset);

#endif
