/* Encoders among the modules: BERT with both heads, from ids to the cross-entropies of hidden
 * words and of a class, and Vision Transformers. */
#include "modules.h"

#include <heed/bert.h>
#include <heed/vit.h>

enum { B = 2, T = 3, WIDE = 8, H = 2, V = 5 };

static const int32_t lengths[B] = { T, T - 1 };

/* ---- BERT ---- */

typedef struct bert_subject {
    heed_bert bert;
    heed_bert_words words;
    heed_bert_classes classes;
} bert_subject;

static const heed_bert_options berts[] = {
    { .place = HEED_POST_NORM, .longest = T, .segments = 2, .bias = true },
    { .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true,
      .key_heads = 1 },
    { .positions = HEED_POSITIONS_RELATIVE, .bias = true },
};

/* x: ids, segments, the words that were hidden, classes. */
static heed_tensor *bert_of(heed_tape *t, heed_tensor *const x[], void *user)
{
    const bert_subject *s = user;
    heed_tensor *segments = s->bert.options.segments ? x[1] : NULL;
    heed_tensor *states = heed_bert_forward(t, &s->bert, x[0], segments, lengths);
    heed_tensor *words = heed_bert_words_forward(t, &s->words, states);
    heed_tensor *classes = heed_bert_classes_forward(t, &s->classes, states);
    heed_tensor *hidden = heed_cross_entropy(t, words, x[2], NULL);
    heed_tensor *classed = heed_cross_entropy(t, classes, x[3], NULL);
    return heed_add(t, hidden, classed);
}

heed_report check_bert(const module *m, const heed_check_options *o)
{
    static const heed_input inputs[] = {
        { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V },
        { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = 2 },
        { .dtype = HEED_I32, .shape = HEED_DIMS(B, T), .high = V },
        { .dtype = HEED_I32, .shape = HEED_DIMS(B), .high = 3 },
    };
    bert_subject s;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 11 };
    heed_bert_options options = berts[m->variant];
    options.vocabulary = V;
    options.width = WIDE;
    options.hidden = 5;
    options.layers = 1;
    options.heads = H;
    options.random = &r;
    heed_bert_init(&s.bert, ps, "bert", options);
    heed_bert_words_init(&s.words, ps, "words", &s.bert, &r);
    heed_bert_classes_init(&s.classes, ps, "classes", &s.bert, 3, &r);
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(bert_of, &s, ps, 4, inputs, &fine));
}

/* ---- ViT ---- */

static const heed_vit_options vits[] = {
    { .bias = true },
    { .mean = true,
      .positions = HEED_POSITIONS_ROTARY,
      .norm = HEED_RMSNORM,
      .activation = HEED_SILU,
      .gated = true },
};

static heed_tensor *vit_of(heed_tape *t, heed_tensor *const x[], void *m)
{
    return heed_cross_entropy(t, heed_vit_forward(t, m, x[0]), x[1], NULL);
}

heed_report check_vit(const module *m, const heed_check_options *o)
{
    static const heed_input inputs[] = {
        { .shape = HEED_DIMS(B, 1, 4, 6) },
        { .dtype = HEED_I32, .shape = HEED_DIMS(B), .high = 3 },
    };
    heed_vit vit;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 12 };
    heed_vit_options options = vits[m->variant];
    options.image_height = 4;
    options.image_width = 6;
    options.patch_height = 2;
    options.patch_width = 3;
    options.classes = 3;
    options.width = WIDE;
    options.hidden = 5;
    options.layers = 1;
    options.heads = H;
    options.random = &r;
    heed_vit_init(&vit, ps, "vit", options);
    spread(ps);
    heed_check_options fine = finer(o);
    return ended(ps, heed_check(vit_of, &vit, ps, 2, inputs, &fine));
}
