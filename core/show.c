/* Showing attention to whoever watches it: the tape knows a function to call, and no more. */
#include "engine.h"

heed_attention_watch heed_watch_attention(heed_tape *t, const heed_attention_watch *watch)
{
    const heed_attention_watch none = { 0 }, former = t ? t->watch : none;
    if (t)
        t->watch = watch ? *watch : none;
    return former;
}

bool heed_attention_watched(const heed_tape *t)
{
    return t && !t->failed && t->watch.see && !t->showing && !t->rule &&
           (t->recording || !t->watch.recorded);
}

static bool has_example(heed_tape *t, int64_t batch)
{
    if (t->watch.example >= 0 && t->watch.example < batch)
        return true;
    heed_fail(t, "attention watch: there is no example %lld in a batch of %lld",
              (long long)t->watch.example, (long long)batch);
    return false;
}

static void show(heed_tape *t, heed_tensor *weights, heed_attention_queries queries)
{
    char scope[256];
    heed__path_text(t->scope, scope, sizeof scope);
    heed_attention_seen seen = { weights, scope, t->shown++, queries };
    t->showing = true;
    t->watch.see(t, &seen, t->watch.user);
    t->showing = false;
}

/* Weights [B, H, T, S], [B, T, S] or [B, S] with four axes. */
static heed_tensor *with_heads(heed_tape *t, heed_tensor *weights)
{
    while (weights && weights->ndim < 4)
        weights = heed_unsqueeze(t, weights, 1);
    return weights;
}

/* Of weights [B, H, T, S], [B, T, S] or [B, S] one example, as a view [1, H, T, S]. */
static heed_tensor example_of(const heed_tensor *weights, int64_t example)
{
    heed_tensor one = *weights;
    int missing = 4 - weights->ndim;
    one.ndim = 4;
    for (int i = 3; i > missing; i--) {
        one.shape[i] = weights->shape[i - missing];
        one.strides[i] = weights->strides[i - missing];
    }
    for (int i = 0; i <= missing; i++) {
        one.shape[i] = 1;
        one.strides[i] = 0;
    }
    one.data = (char *)weights->data +
               example * weights->strides[0] * (int64_t)heed_dtype_size(weights->dtype);
    return one;
}

typedef heed_tensor *maker(heed_tape *t, int64_t example, void *user);

/* Nothing of it is recorded or stays in memory, neither what is made to be shown nor what is made
 * of it, and the sanitizer goes on blaming the op that the model has. A rewind would do more than
 * is wanted: it forgets gradients that were asked for. */
static void show_unrecorded(heed_tape *t, maker *make, void *user,
                            heed_attention_queries queries)
{
    arena_mark mark;
    const arena_free *lists[ARENA_CLASSES];
    heed__arena_mark_with(&t->arena, &mark, lists);
    bool recording = t->recording, sanitizing = t->sanitizing;
    t->showing = true;
    t->recording = t->sanitizing = false;
    heed_tensor *weights = make(t, t->watch.example, user);
    if (weights && !t->failed)
        show(t, weights, queries);
    t->showing = false;
    t->recording = recording;
    t->sanitizing = sanitizing;
    heed__arena_rewind(&t->arena, &mark);
}

static heed_tensor *itself(heed_tape *t, int64_t example, void *user)
{
    (void)t;
    (void)example;
    return user;
}

static void show_recorded(heed_tape *t, heed_tensor *weights, heed_attention_queries queries)
{
    heed_tensor *all = with_heads(t, weights);
    if (all && !t->failed)
        show(t, all, queries);
}

void heed_attention_show(heed_tape *t, heed_tensor *weights, heed_attention_queries queries)
{
    char text[HEED_MAX_NDIM * 21 + 8];
    if (!weights || !heed_attention_watched(t) ||
        !heed__readable(t, weights, "attention watch"))
        return;
    if (weights->ndim < 2 || weights->ndim > 4 ||
        (weights->dtype != HEED_F32 && weights->dtype != HEED_F64)) {
        heed_shape shape = heed_shape_of(weights);
        heed_fail(
            t,
            "attention watch: weights need shape [B, H, T, S], [B, T, S] or [B, S] in f32 "
            "or f64, got %s in %s",
            heed_shape_text(&shape, text, sizeof text), heed_dtype_name(weights->dtype));
        return;
    }
    if (t->watch.recorded) {
        show_recorded(t, weights, queries);
    } else if (has_example(t, weights->shape[0])) {
        heed_tensor one = example_of(weights, t->watch.example);
        show_unrecorded(t, itself, &one, queries);
    }
}

void heed_attention_show_made(heed_tape *t, int64_t batch, maker *make, void *user,
                              heed_attention_queries queries)
{
    if (!heed_attention_watched(t))
        return;
    if (!t->watch.recorded) {
        if (has_example(t, batch))
            show_unrecorded(t, make, user, queries);
        return;
    }
    t->showing = true; /* making may show what it is made of */
    heed_tensor *weights = make(t, -1, user);
    t->showing = false;
    show_recorded(t, weights, queries);
}
