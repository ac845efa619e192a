/* What the files of the alignment module share: each does one of its stages. Tensors are
 * [B, T, ...] here, T = 1 for a single query. */
#ifndef HEED_ALIGN_PARTS_H
#define HEED_ALIGN_PARTS_H

#include "align.h"

/* Keys [B, S, E] as the score wants them. */
heed_tensor *heed__align_keys(heed_tape *t, const heed_align *m, heed_tensor *keys);
/* query [B, T, D] against such keys: [B, T, S]. */
heed_tensor *heed__align_scores(heed_tape *t, const heed_align *m, heed_tensor *query,
                                heed_tensor *keys, const heed_align_history *history);

/* A window's say in the weights. */
typedef struct align_window {
    heed_tensor *within; /* bool, broadcasts to [B, T, S]; NULL: everywhere */
    heed_tensor *factor; /* likewise, of the weights; NULL: 1 */
} align_window;
align_window heed__align_window(heed_tape *t, const heed_align *m, heed_tensor *query,
                                const heed_align_memory *memory, int64_t position);

/* Where seen is false: 0. seen NULL: x. */
heed_tensor *heed__align_hide(heed_tape *t, heed_tensor *x, heed_tensor *seen);
/* Fills weights and log_probability, [B, T, S] and [B, T], from the probabilities. */
void heed__align_choose(heed_tape *t, const heed_align *m, heed_tensor *seen, heed_aligned *a);

#endif
