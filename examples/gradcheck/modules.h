/* The modules that gradcheck checks, by the same public call that a user makes for his own. */
#ifndef GRADCHECK_MODULES_H
#define GRADCHECK_MODULES_H

#include <heed/heed.h>
#include <heed/params.h>

typedef struct module {
    const char *name;
    const char *what; /* one line */
    /* Makes the module and its inputs and runs heed_check. */
    heed_report (*check)(const struct module *m, const heed_check_options *options);
    int variant; /* told to check */
} module;

/* The i-th, NULL past the end. */
const module *module_at(int i);

/* ---- what the files of modules share ---- */

/* sum_i w_i y_i with fixed, different weights, and half its square so that no second derivative
 * is 0 for being linear. */
heed_tensor *number_of(heed_tape *t, heed_tensor *y);
/* Shorter steps, and more scalars checked one by one. */
heed_check_options finer(const heed_check_options *o);
/* Moves every parameter by a draw from [-1, 1). */
void spread(heed_params *ps);
/* Frees the set and gives the report back. */
heed_report ended(heed_params *ps, heed_report report);

/* Low-rank adapters, 1: with dropout and the weight itself trained; group norm of as many groups
 * as the variant says; batch norm, 1: training. */
heed_report check_lora(const module *m, const heed_check_options *o);
heed_report check_groupnorm(const module *m, const heed_check_options *o);
heed_report check_batchnorm(const module *m, const heed_check_options *o);

/* Multi-head attention, the variant-th of its list, and with a mask of blocks; linear
 * attention. */
heed_report check_multihead(const module *m, const heed_check_options *o);
heed_report check_multihead_blocks(const module *m, const heed_check_options *o);
heed_report check_linear_attention(const module *m, const heed_check_options *o);

/* Alignment attention; variant: a score and a normaliser, and one of these. */
#define ALIGN(score, normaliser) (HEED_ALIGN_##score + 8 * HEED_ALIGN_##normaliser)
enum {
    ALIGN_LOOKING_BACK = 32,
    ALIGN_MONOTONIC = 64,
    ALIGN_PREDICTIVE = 128,
    ALIGN_GUMBEL = 256
};
heed_report check_align(const module *m, const heed_check_options *o);

/* The variants of the recurrent networks: a kind, and how it is used. */
enum {
    RECURRENT_TANH,
    RECURRENT_RELU,
    RECURRENT_LSTM,
    RECURRENT_PEEPHOLES,
    RECURRENT_GRU,
    RECURRENT_GRU_BEFORE,
    RECURRENT_KIND = 7,
    RECURRENT_BOTH = 8, /* two layers, both directions, lengths that differ, dropout */
    RECURRENT_CELL = 16 /* a cell, step by step */
};
heed_report check_recurrent(const module *m, const heed_check_options *options);

/* Residual blocks, variant: a heed_norm_place, perhaps with BLOCK_CROSS; GPT and Transformer, the
 * variant-th of their lists. */
enum { BLOCK_CROSS = 16 };
heed_report check_block(const module *m, const heed_check_options *o);
heed_report check_gpt(const module *m, const heed_check_options *o);
heed_report check_transformer(const module *m, const heed_check_options *o);

/* BERT with both heads, and ViT, the variant-th of their lists. */
heed_report check_bert(const module *m, const heed_check_options *o);
heed_report check_vit(const module *m, const heed_check_options *o);

/* Recurrent sequence to sequence: what the decoder knows of the source. */
enum {
    SEQ2SEQ_START,
    SEQ2SEQ_FED,
    SEQ2SEQ_BAHDANAU,
    SEQ2SEQ_LUONG,
    SEQ2SEQ_FEEDING,
    SEQ2SEQ_COVERAGE,
    SEQ2SEQ_LOCATION,
    SEQ2SEQ_MONOTONIC,
    SEQ2SEQ_PREDICTIVE, /* this and the next have edges */
    SEQ2SEQ_SPARSEMAX,
    SEQ2SEQ_ENTMAX15
};
heed_report check_seq2seq(const module *m, const heed_check_options *o);

#endif
