/* Sequence to sequence by recurrent networks: an encoder reads a sentence, a decoder writes
 * another one a token at a time. What the decoder knows of the source is a switch, from one
 * fixed vector to attention over all the encoder's states.
 *
 *     heed_seq2seq_source source = heed_seq2seq_encode(t, &m, ids, lengths);
 *     heed_tensor *inputs = heed_shift_right(t, targets, start);
 *     heed_seq2seq_result r = heed_seq2seq_forward(t, &m, &source, inputs, 1);
 *     heed_tensor *loss = heed_cross_entropy(t, r.logits, targets, &ignoring_padding);
 *
 * Shapes: B batch, S source positions, T target positions, E embedding, H hidden. */
#ifndef HEED_SEQ2SEQ_H
#define HEED_SEQ2SEQ_H

#include <heed/align.h>
#include <heed/decode.h>
#include <heed/forcing.h>
#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>
#include <heed/recurrent.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum heed_context {
    HEED_CONTEXT_ATTENTION, /* another one at every step */
    HEED_CONTEXT_FED,  /* the encoder's last state, given to every step (Cho et al. 2014) */
    HEED_CONTEXT_START /* the same, only as first state (Sutskever, Vinyals, Le 2014) */
} heed_context;

/* When attention reads the source. */
typedef enum heed_reading {
    HEED_READ_AFTER, /* the step: the query is s_t, the context goes to the output (Luong) */
    HEED_READ_BEFORE /* it: the query is s_(t-1), the context also to the cell (Bahdanau) */
} heed_reading;

typedef struct heed_seq2seq_options {
    int64_t source_vocabulary, target_vocabulary;
    int64_t embedding, hidden; /* E, H */
    heed_recurrent_kind kind;
    int layers; /* of each side; 0: 1 */
    /* Two directions of H/2 each, side by side, so that H must be even: annotations as in
     * Bahdanau, Cho, Bengio 2015. */
    bool bidirectional;
    /* The encoder reads each sentence from its end (Sutskever et al. 2014); states and weights
     * of attention are then in that order. */
    bool reverse;
    heed_context context;
    heed_reading reading;
    heed_align_options align; /* of HEED_CONTEXT_ATTENTION; `random` is that of these options */
    bool input_feeding;       /* with HEED_READ_AFTER: Luong et al. 2015, section 3.3 */
    double dropout;           /* of embeddings, between layers, and before the output */
    heed_random *random;      /* NULL: zeros, for a model about to be loaded */
} heed_seq2seq_options;

typedef struct heed_seq2seq {
    heed_seq2seq_options options; /* with the defaults filled in */
    heed_embedding_module source_embedding, target_embedding;
    heed_recurrent encoder, decoder;
    heed_align align;
    heed_attentional readout; /* tanh(W [c; s]), unless the context is only the start */
    heed_linear_module output;
} heed_seq2seq;

/* Unsound options are refused in a sentence (heed_params_error). */
HEED_API void heed_seq2seq_init(heed_seq2seq *m, heed_params *ps, const char *name,
                                heed_seq2seq_options options);

/* ---- the encoder ---- */

/* A batch of sentences that has been read. On the tape, like all tensors. */
typedef struct heed_seq2seq_source {
    heed_tensor *states;          /* [B, S, H]: of every position; 0 at padding */
    heed_tensor *context;         /* [B, H]: the fixed vector, the last state */
    heed_recurrent_state initial; /* [layers, B, H]: the decoder's first state */
    heed_align_memory memory;     /* of HEED_CONTEXT_ATTENTION */
} heed_seq2seq_source;
/* ids [B, S]; lengths: NULL, or B numbers in 1 .. S, beyond which is padding. */
HEED_API heed_seq2seq_source heed_seq2seq_encode(heed_tape *t, const heed_seq2seq *m,
                                                 heed_tensor *ids, const int32_t *lengths);

/* ---- the decoder, step by step ---- */

typedef struct heed_seq2seq_state {
    heed_recurrent_state layer[HEED_RECURRENT_MAX_LAYERS]; /* [B, H] each */
    heed_align_history history;
    heed_tensor
        *readout; /* [B, H]: the last one, which input feeding hands on; NULL at first */
    heed_tensor *weights;         /* [B, S]: what the last step attended to, or NULL */
    heed_tensor *log_probability; /* [B] of the last step's draw, as in heed_aligned, or NULL */
} heed_seq2seq_state;
HEED_API heed_seq2seq_state heed_seq2seq_begin(heed_tape *t, const heed_seq2seq *m,
                                               const heed_seq2seq_source *source);
/* ids [B]: the tokens before -> logits [B, V]; the state moves on. */
HEED_API heed_tensor *heed_seq2seq_step(heed_tape *t, const heed_seq2seq *m,
                                        const heed_seq2seq_source *source,
                                        heed_seq2seq_state *state, heed_tensor *ids);

/* ---- whole targets ---- */

typedef struct heed_seq2seq_result {
    heed_tensor *logits;  /* [B, T, V] */
    heed_tensor *weights; /* [B, T, S] of attention, or NULL */
    /* [B, T] while training with HEED_ALIGN_REINFORCE, for heed_align_reinforce, without which
     * the scores do not learn; else NULL */
    heed_tensor *log_probability;
} heed_seq2seq_result;
/* inputs i32 [B, T]: the true tokens before (heed_shift_right). Each is taken with probability
 * `forcing`, by a draw of its own, and otherwise the decoder's own likeliest token: 1 is teacher
 * forcing (all steps at once where nothing hangs on the step before), 0 running freely, between
 * is scheduled sampling (Bengio et al. 2015). The first token is always the given one. */
HEED_API heed_seq2seq_result heed_seq2seq_forward(heed_tape *t, const heed_seq2seq *m,
                                                  const heed_seq2seq_source *source,
                                                  heed_tensor *inputs, double forcing);

/* ---- searching ---- */

/* A decoder for heed_decode, over `beam` hypotheses of each sentence of the source. The search
 * must live as long as the decoder is used. */
typedef struct heed_seq2seq_search {
    const heed_seq2seq *m;
    heed_seq2seq_source source; /* each sentence `beam` times */
    heed_seq2seq_state state;
} heed_seq2seq_search;
HEED_API heed_decoder heed_seq2seq_decoder(heed_tape *t, const heed_seq2seq *m,
                                           const heed_seq2seq_source *source, int beam,
                                           heed_seq2seq_search *search);

#ifdef __cplusplus
}
#endif

#endif
