/* The tokens a model sees while it writes: at most `context` of them. When the window is
 * full, its oldest half is dropped and the cache rebuilt. Knows nn. */
#ifndef GPT_WINDOW_H
#define GPT_WINDOW_H

#include <heed/nn.h>

typedef struct gpt_window {
    const heed_gpt *gpt;
    heed_tape *tape;
    heed_cache *caches;  /* one per layer, or NULL: every token goes through the whole window */
    int ready;           /* caches made */
    int32_t *ids;        /* [context] */
    int64_t count;       /* tokens in the window */
    int64_t cached;      /* of which the caches hold the first so many */
    heed_tensor *logits; /* [1, 1, vocabulary], until the next prediction */
} gpt_window;

/* window_close is the caller's in any case. */
bool window_open(gpt_window *w, const heed_gpt *gpt, bool cache, char *error,
                 size_t error_size);
void window_close(gpt_window *w);

/* Adds a token at the end; nothing is computed yet. */
void window_push(gpt_window *w, int32_t id);
/* The logits of the token after the window, which must not be empty: w->logits. */
bool window_predict(gpt_window *w, char *error, size_t error_size);

#endif
