/* Alignment attention among the modules that are checked: every score with every normaliser,
 * terms that look back over two steps, windows, and a relaxed draw. */
#include "modules.h"

#include <heed/align.h>

enum { B = 2, T = 2, S = 4, D = 3, V = 2 };

typedef struct align_subject {
    heed_align align;
    heed_attentional output;
    int variant;
} align_subject;

/* Sparse weights and a window that moves have edges, where no derivative exists. These numbers
 * stay away from them: some keys are well inside, others well outside. */
static const double uneven[B * S * D] = { 0.8,  -0.3, 0.5,  -0.9, 1.1, 0.2,  -0.4, 0.7,
                                          -1.2, 0.3,  0.6,  -0.7, 1.3, -0.8, 0.1,  0.9,
                                          -0.5, 0.4,  -1.1, -0.2, 1.4, 0.5,  -0.6, 1.0 };

/* All steps at once, or one after the other; everything that comes out behind one another. */
static heed_tensor *align_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    static const int32_t lengths[B] = { S, S - 1 };
    const align_subject *s = user;
    heed_tensor *parts[3 * T];
    int count = 0, steps = s->variant & ALIGN_LOOKING_BACK ? T : 1;
    heed_align_history history = { 0 };
    heed_tensor *mask = heed_padding_mask(t, B, S, lengths);
    heed_align_memory memory = heed_align_prepare(t, &s->align, x[1], x[2], mask);
    bool training = heed_set_training(t, true);
    for (int i = 0; i < steps; i++) {
        heed_tensor *query = steps > 1 ? heed_select(t, x[0], 1, i) : x[0];
        heed_aligned a = heed_align_step(t, &s->align, query, &memory, &history);
        heed_tensor *y = heed_attentional_forward(t, &s->output, a.context, query);
        heed_tensor *all[] = { y, a.weights, a.context };
        for (int k = 0; k < 3; k++)
            parts[count++] = heed_reshape(t, all[k], HEED_SHAPE(-1));
    }
    heed_set_training(t, training);
    return number_of(t, heed_concatenate(t, count, parts, 0));
}

heed_report check_align(const module *m, const heed_check_options *o)
{
    align_subject s = { .variant = m->variant };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 9 };
    int score = m->variant % 8, normaliser = m->variant / 8 % 4;
    bool hidden = score == HEED_ALIGN_CONCAT || score == HEED_ALIGN_ADDITIVE;
    bool looks_back = m->variant & ALIGN_LOOKING_BACK;
    heed_align_options options = { .score = (heed_align_score)score,
                                   .normaliser = (heed_align_normaliser)normaliser,
                                   .bias = hidden,
                                   .scale = score == HEED_ALIGN_SCALED_DOT ? 0 : 1,
                                   .filters = looks_back ? 2 : 0,
                                   .filter_width = 3,
                                   .coverage = looks_back,
                                   .reach = 1,
                                   .window_hidden = 2,
                                   .temperature = 0.7,
                                   .random = &r };
    if (m->variant & ALIGN_MONOTONIC)
        options.window = HEED_ALIGN_MONOTONIC;
    if (m->variant & ALIGN_PREDICTIVE)
        options.window = HEED_ALIGN_PREDICTIVE;
    if (m->variant & ALIGN_GUMBEL)
        options.choice = HEED_ALIGN_GUMBEL;
    heed_align_init(&s.align, ps, "align", D, D, options);
    heed_attentional_init(&s.output, ps, "output", V, D, 2,
                          (heed_linear_options){ .bias = true, .random = &r });
    spread(ps);
    heed_input x[] = { { .shape = HEED_DIMS(B, T, D), .gap = 0.2 },
                       { .shape = HEED_DIMS(B, S, D), .gap = 0.2 },
                       { .shape = HEED_DIMS(B, S, V) } };
    bool edges = normaliser != HEED_ALIGN_SOFTMAX || m->variant & ALIGN_PREDICTIVE;
    for (int k = 0; edges && k < 2; k++)
        x[k].values = uneven;
    return ended(ps, heed_check(align_of, &s, ps, 3, x, o));
}
