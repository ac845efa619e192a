/* Windows with and without a cache (window.h): both ways see the very same tokens at the
 * very same positions. */
#include "window.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

bool window_open(gpt_window *w, const heed_gpt *gpt, bool cache, char *error, size_t error_size)
{
    const heed_gpt_options *o = &gpt->options;
    *w = (gpt_window){ .gpt = gpt, .tape = heed_tape_new(NULL) };
    w->ids = calloc((size_t)o->context, sizeof *w->ids);
    if (cache)
        w->caches = calloc((size_t)o->layers, sizeof *w->caches);
    bool good = w->tape && w->ids && (!cache || w->caches);
    while (good && cache && w->ready < o->layers) {
        good = heed_cache_init(&w->caches[w->ready], o->context, NULL);
        w->ready += good;
    }
    if (!good)
        return heed__say(error, error_size, "not enough memory to write text");
    heed_set_recording(w->tape, false);
    return true;
}

void window_close(gpt_window *w)
{
    for (int i = 0; i < w->ready; i++)
        heed_cache_free(&w->caches[i]);
    free(w->caches);
    free(w->ids);
    heed_tape_free(w->tape);
    *w = (gpt_window){ 0 };
}

void window_push(gpt_window *w, int32_t id)
{
    int64_t context = w->gpt->options.context;
    if (w->count == context) {
        int64_t kept = context / 2;
        memmove(w->ids, w->ids + context - kept, (size_t)kept * sizeof *w->ids);
        w->count = kept;
        w->cached = 0;
        for (int i = 0; i < w->ready; i++)
            heed_cache_clear(&w->caches[i]);
    }
    w->ids[w->count++] = id;
}

bool window_predict(gpt_window *w, char *error, size_t error_size)
{
    heed_tape *t = w->tape;
    int64_t start = w->caches ? w->cached : 0;
    heed_tape_reset(t);
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, w->count - start), w->ids + start);
    heed_tensor *logits = heed_gpt_forward(t, w->gpt, ids, w->caches);
    w->logits = heed_slice(t, logits, 1, -1, HEED_END, 1);
    if (!w->logits)
        return heed__say(error, error_size, "%s",
                         heed_error(t) ? heed_error(t) : "the model failed");
    w->cached = w->count;
    return true;
}
