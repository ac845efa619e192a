/* What the attention records share: extents and checks, running, composing, and the gradients.
 */
#ifndef HEED_ATTENTION_H
#define HEED_ATTENTION_H

#include "ops.h"

typedef struct heed__attention {
    double scale, cap;
    int64_t left, right, prefix;
    heed_causality causality;
    bool windowed;
    heed__dropout dropout;
} heed__attention;

/* Operands of the forward records, in this order; those of the gradients go on with o, go, lse.
 */
enum {
    ATTENTION_Q,
    ATTENTION_K,
    ATTENTION_V, /* NULL where weights alone are asked for */
    ATTENTION_MASK,
    ATTENTION_BIAS,
    ATTENTION_SLOPES,
    ATTENTION_SINKS,
    ATTENTION_OPERANDS,
    ATTENTION_O = ATTENTION_OPERANDS,
    ATTENTION_GO,
    ATTENTION_LSE,
    ATTENTION_GRAD_OPERANDS
};

/* The strides x has as an operand broadcast to four axes: 0 where it has an extent of 1 or no
 * axis. */
void heed__attention_strides(const heed_tensor *x, int64_t strides[4]);
/* Strides of [B, H, T, D] whose memory is [B, T, H, D]: joining the heads is then a view. */
void heed__attention_heads_last(int64_t heads, int64_t rows, int64_t width, int64_t strides[4]);
kernel_attention heed__attention_arguments(const heed_call *c);
bool heed__attention_check(heed_tape *t, const heed_call *c);
/* The check without that of dtypes, for operands that another record numbers differently. */
bool heed__attention_fits(heed_tape *t, const heed_call *c);
/* Whether operand i of a gradient's record, o, go or lse, has the shape that it must have. */
bool heed__attention_has(heed_tape *t, const heed_call *c, int i, heed_shape shape);
bool heed__attention_shape(heed_tape *t, const heed_call *c, heed_result *r);
void heed__attention_run(const heed_call *c, heed_tensor *y);

/* In plain ops (attention_compose.c). What only they can do: scores changed by a function of the
 * caller's. */
typedef struct heed__attention_extras {
    heed_attention_score *score;
    void *user;
    heed_attention_queries queries;
} heed__attention_extras;
heed_tensor *heed__attention_compose(heed_tape *t, const heed_call *c,
                                     const heed__attention_extras *extras);
/* The same, the weights only. */
heed_tensor *heed__attention_compose_weights(heed_tape *t, const heed_call *c,
                                             const heed__attention_extras *extras);
/* |p - j| [T, S] in q's dtype. */
heed_tensor *heed__attention_distance(heed_tape *t, const heed_call *c);
/* Which keys each query may see, as one bool tensor [b, h, T, S] (b, h: the larger of the
 * mask's and the bias's extents), and which keys any query may see, [b, h, S, 1]. */
heed_tensor *heed__attention_visible(heed_tape *t, const heed_call *c, heed_tensor **any);
/* k or v as the query heads see it: [B, H, S, D], and zeros where no query looks. */
heed_tensor *heed__attention_spread(heed_tape *t, heed_tensor *x, int64_t heads,
                                    heed_tensor *any);

/* Runs the kernel with go, into gradient[0..2] of q's, k's and v's shapes. */
void heed__attention_gradients(const heed_call *c, const heed_tensor *o, const heed_tensor *go,
                               const heed_tensor *lse, const heed_tensor gradient[3],
                               void *scratch);
/* -sum e^(sink - lse) d over batch and queries: [H], the gradient by the sinks. d [B, H, T]:
 * what each query's weights and their cotangents sum up to. */
heed_tensor *heed__attention_sinks_gradient(heed_tape *t, heed_tensor *sinks, heed_tensor *lse,
                                            heed_tensor *d);

/* The attributes an options struct asks for, dropout aside; width is a head's. */
heed__attention heed__attention_resolve(const heed_attention_options *o, int64_t width);
/* The dropout of a call, which may draw. */
heed__dropout heed__attention_dropout(heed_tape *t, const heed_attention_options *o);
/* Shows the weights of a call that the fused kernel has done, if somebody watches. */
void heed__attention_show(heed_tape *t, heed_tensor *q, heed_tensor *k, heed_tensor *mask,
                          const heed_attention_options *o);
/* What of a mask or a bias belongs to one example, or to all of them: -1; NULL if there is none.
 */
heed_tensor *heed__attention_example(heed_tape *t, heed_tensor *x, int64_t example);
/* Whether the fused kernel can do what is asked for. */
bool heed__attention_fuses(const heed_attention_options *o);

#endif
