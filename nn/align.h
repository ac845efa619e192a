/* Alignment: the attention of recurrent sequence-to-sequence models. A query s (the decoder's
 * state) is scored against the keys h_1 .. h_S of a sentence, a normaliser turns scores into
 * weights, and the context is the sum of the values by weight:
 *
 *     e_j = score(s, h_j),   a = normaliser(e),   c = sum_j a_j v_j
 *
 * What depends on the sentence alone is computed once, and what one step hands to the next is
 * in a struct of the caller's that starts as zeros:
 *
 *     heed_align_memory source = heed_align_prepare(t, &m, states, NULL, mask);
 *     heed_align_history history = { 0 };
 *     for (int i = 0; i < steps; i++) {
 *         heed_aligned a = heed_align_step(t, &m, s, &source, &history);
 *         heed_tensor *y = heed_attentional_forward(t, &output, a.context, s);
 *         ...
 *
 * Shapes: B batch, T queries, S keys; widths D of a query, E of a key, V of a value, A of the
 * hidden layer. Positions count from 0. */
#ifndef HEED_ALIGN_H
#define HEED_ALIGN_H

#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a module is made of ---- */

typedef enum heed_align_score {
    HEED_ALIGN_DOT,        /* <s, h>; D = E (Luong, Pham, Manning 2015) */
    HEED_ALIGN_GENERAL,    /* s^T W h, W [D, E] (the same) */
    HEED_ALIGN_CONCAT,     /* v . tanh(W [s; h]), W [A, D + E] (the same) */
    HEED_ALIGN_ADDITIVE,   /* v . tanh(W s + U h) (Bahdanau, Cho, Bengio 2015; s is s_(t-1)) */
    HEED_ALIGN_SCALED_DOT, /* <s, h>/sqrt(D); D = E (Vaswani et al. 2017) */
    HEED_ALIGN_COSINE      /* <s, h>/(|s| |h|); D = E (Graves, Wayne, Danihelka 2014) */
} heed_align_score;

typedef enum heed_align_normaliser {
    HEED_ALIGN_SOFTMAX,
    HEED_ALIGN_SPARSEMAX,
    HEED_ALIGN_ENTMAX15
} heed_align_normaliser;

/* Local attention of Luong, Pham, Manning 2015: keys further than `reach` from the centre p
 * have weight 0, so that a window holds 2 reach + 1 of them. */
typedef enum heed_align_window {
    HEED_ALIGN_GLOBAL,
    HEED_ALIGN_MONOTONIC, /* local-m: p is the query's own position */
    /* local-p: p = L sigmoid(v . tanh(W s)), L the number of keys that the mask leaves; weights
     * are multiplied by exp(-(j - p)^2/(2 sigma^2)), sigma = reach/2, and then add up to less
     * than 1. p gets its gradient by that factor; the window's edge has none. */
    HEED_ALIGN_PREDICTIVE
} heed_align_window;

/* What the weights of the context are, given the probabilities p. Sampling is for training: in
 * evaluation (heed_set_training) the most probable key is taken instead. */
typedef enum heed_align_choice {
    HEED_ALIGN_SOFT,   /* p itself */
    HEED_ALIGN_ARGMAX, /* the most probable key alone; no gradient to the scores */
    /* A key drawn from p alone, with the gradient of p as if it were: biased. Bengio, Leonard,
     * Courville 2013. */
    HEED_ALIGN_STRAIGHT_THROUGH,
    /* softmax((ln p + Gumbel noise)/temperature): exact gradient of a relaxed draw, which is
     * biased as that of a draw; less at low temperatures, where it varies more. Jang, Gu, Poole
     * 2017; Maddison, Mnih, Teh 2017. */
    HEED_ALIGN_GUMBEL,
    /* The key of largest weight there alone, with the gradient of the relaxed weights:
     * biased. */
    HEED_ALIGN_GUMBEL_HARD,
    /* A key drawn from p alone, without a gradient to the scores; heed_align_reinforce makes
     * the unbiased one of a loss. Williams 1992; Xu et al. 2015. */
    HEED_ALIGN_REINFORCE
} heed_align_choice;

typedef struct heed_align_options {
    heed_align_score score;
    heed_align_normaliser normaliser;
    int64_t hidden; /* A of concat and additive; 0: D */
    bool bias;      /* inside their tanh */
    double scale;   /* of the scores, > 0; 0: 1/sqrt(D) for scaled dot, else 1 */
    /* Inside the tanh of concat and additive, for one query at a time: U f_j with f the
     * previous weights convolved by so many filters of an odd width (0: none; Chorowski et
     * al. 2015), and w_c times the sum of all previous weights of the key (See, Liu, Manning
     * 2017). */
    int64_t filters, filter_width;
    bool coverage;
    heed_align_window window;
    int64_t reach;
    int64_t window_hidden; /* of a predictive window; 0: D */
    heed_align_choice choice;
    double temperature; /* of the Gumbel ones, > 0; 0: 1 */
    heed_init init;
    heed_random *random; /* NULL: weights stay 0, for a model about to be loaded */
} heed_align_options;

typedef struct heed_align {
    heed_align_options options; /* with the defaults filled in */
    int64_t query_width, key_width;
    heed_linear_module general;     /* [D, E] */
    heed_linear_module concat;      /* [A, D + E] */
    heed_linear_module query, key;  /* of additive: W [A, D]; U [A, E], with the bias */
    heed_linear_module energy;      /* v [1, A] */
    heed_parameter *filters;        /* [filters, 1, filter_width] */
    heed_linear_module location;    /* [A, filters] */
    heed_parameter *coverage;       /* w_c [A] */
    heed_linear_module window;      /* W [window_hidden, D] */
    heed_linear_module window_from; /* v [1, window_hidden] */
} heed_align;

/* Unsound options are refused in a sentence (heed_params_error). */
HEED_API void heed_align_init(heed_align *m, heed_params *ps, const char *name,
                              int64_t query_width, int64_t key_width,
                              heed_align_options options);

/* ---- forward ---- */

/* A sentence, made ready for any number of queries. On the tape, like all tensors. */
typedef struct heed_align_memory {
    heed_tensor *keys;    /* as the score wants them: W h, U h, h/|h| or h */
    heed_tensor *values;  /* [B, S, V] */
    heed_tensor *mask;    /* bool [B, 1, S] or NULL */
    heed_tensor *lengths; /* [B, 1, 1], of a predictive window: keys the mask leaves */
} heed_align_memory;

/* keys [B, S, E]; values [B, S, V], or NULL for the keys themselves; mask: bool, true where a
 * key may be seen, [B, S] or heed_padding_mask's [B, 1, 1, S], or NULL. What a mask hides has
 * weight exactly 0 and never reaches a result, not even as NaN; a row that hides everything
 * gives 0 and gradient 0. */
HEED_API heed_align_memory heed_align_prepare(heed_tape *t, const heed_align *m,
                                              heed_tensor *keys, heed_tensor *values,
                                              heed_tensor *mask);

/* Of the steps before: zeros at the start of a sentence; each step moves it on. Its tensors are
 * on the tape, and gradients flow through them. */
typedef struct heed_align_history {
    heed_tensor *previous; /* [B, S]: the last weights; NULL: none yet */
    heed_tensor *coverage; /* [B, S]: the sum of all of them */
    int64_t position;      /* of the next query */
} heed_align_history;

/* For a query [B, T, D] the axis T stands after B in each of these. All NULL on a failed tape.
 */
typedef struct heed_aligned {
    heed_tensor *context;         /* [B, V] */
    heed_tensor *weights;         /* [B, S]: those of the context */
    heed_tensor *probabilities;   /* [B, S]: before the choice; the same where it is soft.
                                 * heed_entropy(t, probabilities, -1) regularises them. */
    heed_tensor *log_probability; /* [B]: of the key drawn, for HEED_ALIGN_REINFORCE while
                                   * training; otherwise NULL */
} heed_aligned;

/* query [B, D], or [B, T, D]: T steps at once, where all queries are known beforehand and no
 * term looks at previous weights. history may be NULL where no term needs it: a monotonic
 * window then starts at position 0. */
HEED_API heed_aligned heed_align_step(heed_tape *t, const heed_align *m, heed_tensor *query,
                                      const heed_align_memory *memory,
                                      heed_align_history *history);
/* heed_align_prepare and one heed_align_step without history. */
HEED_API heed_aligned heed_align_forward(heed_tape *t, const heed_align *m, heed_tensor *query,
                                         heed_tensor *keys, heed_tensor *values,
                                         heed_tensor *mask);

/* ---- terms of the loss ---- */

/* (cost - baseline) ln p(drawn), elementwise; the first factor is a constant. Its gradient
 * is the unbiased estimate of that of the expected cost by the scores; its value says
 * nothing. Added to the cost itself, reduced alike, it trains everything else too. cost: of
 * log_probability's shape; baseline: a guess of the cost, which may not depend on the draw, of
 * that shape or a single number, or NULL. */
HEED_API heed_tensor *heed_align_reinforce(heed_tape *t, heed_tensor *log_probability,
                                           heed_tensor *cost, heed_tensor *baseline);
/* sum_j min(weights_j, coverage_j) of each row, against looking at the same key again: [B],
 * with the history's coverage from before the step (NULL: the first, 0). See, Liu, Manning
 * 2017. */
HEED_API heed_tensor *heed_align_coverage_loss(heed_tape *t, heed_tensor *weights,
                                               heed_tensor *coverage);

/* ---- what follows: the attentional vector tanh(W_c [c; s]) ---- */

typedef struct heed_attentional {
    heed_linear_module combine; /* [out, V + D] */
} heed_attentional;
HEED_API void heed_attentional_init(heed_attentional *m, heed_params *ps, const char *name,
                                    int64_t context_width, int64_t query_width, int64_t out,
                                    heed_linear_options options);
/* context [..., V], query [..., D] -> [..., out]. Luong, Pham, Manning 2015, equation 5. */
HEED_API heed_tensor *heed_attentional_forward(heed_tape *t, const heed_attentional *m,
                                               heed_tensor *context, heed_tensor *query);
/* Input feeding (the same paper, section 3.3): the next step's input [B, I] with this step's
 * attentional vector [B, width] behind it; NULL, at the first step, stands for zeros. */
HEED_API heed_tensor *heed_attentional_feed(heed_tape *t, heed_tensor *input,
                                            heed_tensor *attentional, int64_t width);

#ifdef __cplusplus
}
#endif

#endif
