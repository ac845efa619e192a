/* Recurrent networks: LSTM, GRU and the simple RNN; layers over whole sequences in one or both
 * directions, and single cells for decoders.
 *
 *     heed_recurrent encoder;
 *     heed_recurrent_init(&encoder, ps, "encoder", 64,
 *                         (heed_recurrent_options){ .kind = HEED_GRU, .hidden = 128,
 *                                                   .layers = 2, .bidirectional = true,
 *                                                   .bias = true, .random = &r });
 *     heed_recurrent_result read = heed_recurrent_forward(t, &encoder, x, lengths, NULL);
 *
 * Formulas, x the input, h and c the state before, H units:
 *   RNN   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it           (Elman 1990)
 *   LSTM  c' = f c + i g,  h' = o tanh c'; i, f, o sigmoids, g the tanh, of their rows of
 *         W_ih x + b_ih + W_hh h + b_hh       (Hochreiter, Schmidhuber 1997; Gers et al. 2000)
 *         with peepholes also + p_i c, + p_f c, + p_o c'           (Gers, Schmidhuber 2000)
 *   GRU   h' = (1 - z) n + z h; r and z sigmoids of their rows, and with the reset gate
 *         after the product   n = tanh(W_in x + b_in + r (W_hn h + b_hn)),
 *         before it           n = tanh(W_in x + b_in + W_hn (r h) + b_hn)   (Cho et al. 2014)
 *
 * Parameters have PyTorch's names, shapes and order of rows, so that the state dict of its
 * nn.RNN, nn.LSTM, nn.GRU (reset after) and their cells loads as it is, under the module's name:
 *   weight_ih_l0 [G H, in], weight_hh_l0 [G H, H], bias_ih_l0 [G H], bias_hh_l0 [G H]
 * for layer 0, _l1 and so on for those above (whose input is the width below: H, or 2 H with two
 * directions), with _reverse after it for the backward direction; a cell's have no _l0. The G
 * gates' rows are i, f, g, o for LSTM, r, z, n for GRU. weight_peephole_l0 [3, H], rows of i, f,
 * o, has no counterpart there. */
#ifndef HEED_RECURRENT_H
#define HEED_RECURRENT_H

#include <heed/heed.h>
#include <heed/params.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum heed_recurrent_kind {
    HEED_LSTM,
    HEED_GRU,
    HEED_RNN_TANH,
    HEED_RNN_RELU
} heed_recurrent_kind;

/* Where a GRU's reset gate acts. */
typedef enum heed_gru_reset {
    HEED_RESET_AFTER, /* the product with the state: PyTorch, cuDNN; one product a step */
    HEED_RESET_BEFORE /* it: Cho et al. 2014; two products a step */
} heed_gru_reset;

#define HEED_RECURRENT_MAX_LAYERS 64
typedef struct heed_recurrent_options {
    heed_recurrent_kind kind;
    int64_t hidden; /* H */
    int layers;     /* 0: 1; a cell has none to choose */
    bool bidirectional;
    bool bias;
    bool peepholes;       /* LSTM */
    heed_gru_reset reset; /* GRU */
    double dropout;       /* on what a layer hands to the next, while training */
    /* LSTM: 0, or what the forget gate's bias starts with, so that the cell remembers at first
     * (Gers et al. 2000; Jozefowicz et al. 2015: 1). */
    double forget_bias;
    /* Uniform in +-1/sqrt(H), all of them, as PyTorch. NULL: zeros, for a model about to be
     * loaded. */
    heed_random *random;
} heed_recurrent_options;

/* One layer in one direction. */
typedef struct heed_recurrent_cell {
    heed_recurrent_kind kind;
    heed_gru_reset reset;
    int64_t input, hidden;
    heed_parameter *weight_ih, *weight_hh;
    heed_parameter *bias_ih, *bias_hh; /* or NULL */
    heed_parameter *weight_peephole;   /* or NULL */
} heed_recurrent_cell;

/* h, and c for an LSTM (otherwise NULL). NULL in a state that is given means zeros. */
typedef struct heed_recurrent_state {
    heed_tensor *h, *c;
} heed_recurrent_state;

/* Refuses unsound settings in one sentence (heed_params_error). */
HEED_API void heed_recurrent_cell_init(heed_recurrent_cell *m, heed_params *ps,
                                       const char *name, int64_t input,
                                       heed_recurrent_options options);
/* One step: x [B, in], h and c [B, H]; state NULL: zeros. Both NULL on a failed tape. */
HEED_API heed_recurrent_state heed_recurrent_cell_forward(heed_tape *t,
                                                          const heed_recurrent_cell *m,
                                                          heed_tensor *x,
                                                          const heed_recurrent_state *state);

typedef struct heed_recurrent {
    heed_recurrent_options options;
    int64_t input;
    heed_recurrent_cell cells[HEED_RECURRENT_MAX_LAYERS][2]; /* [layer][forward, backward] */
} heed_recurrent;
HEED_API void heed_recurrent_init(heed_recurrent *m, heed_params *ps, const char *name,
                                  int64_t input, heed_recurrent_options options);

/* D is 2 when bidirectional, else 1. */
typedef struct heed_recurrent_result {
    heed_tensor
        *output;        /* [B, T, D H]: h of every step of the last layer, both directions' side
                            by side; 0 at padding */
    heed_tensor *cells; /* LSTM: the c of the same steps, likewise */
    heed_recurrent_state
        last; /* [layers D, B, H]: after each sequence's last step, in PyTorch's
                                  order: layer 0 forward, layer 0 backward, layer 1 ... */
} heed_recurrent_result;
/* x [B, T, in], T at least 1. lengths: NULL, or B numbers in 0 .. T; x from there on is padding:
 * it is not looked at, even if it is NaN, and each sequence gives what it would give alone, the
 * backward direction starting at its own end. (Of length 0: output 0, last state = initial one.)
 * initial: the state before the first step (before the last, for the backward direction) in the
 * shapes of `last`, or NULL. All NULL on a failed tape. */
HEED_API heed_recurrent_result heed_recurrent_forward(heed_tape *t, const heed_recurrent *m,
                                                      heed_tensor *x, const int32_t *lengths,
                                                      const heed_recurrent_state *initial);

#ifdef __cplusplus
}
#endif

#endif
