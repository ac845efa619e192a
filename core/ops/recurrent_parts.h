/* What the gates of an LSTM and of a GRU share: their operands' shapes, and the pieces of a
 * composition. */
#ifndef HEED_RECURRENT_PARTS_H
#define HEED_RECURRENT_PARTS_H

#include "ops.h"

/* Checks that a and b are [..., gates n] of one shape with n from state [..., n], that real
 * (bool) has the leading axes, and that it comes with `kept`, if kept is not below 0. */
bool heed__gates_check(heed_tape *t, const heed_call *c, int gates, int state, int real,
                       int kept);
int64_t heed__gates_rows(const heed_tensor *state);
int64_t heed__gates_width(const heed_tensor *state);
/* Gate `which` of x [..., gates n]. */
heed_tensor *heed__gate(heed_tape *t, heed_tensor *x, int which, int64_t n);
/* x, with 0 in the rows that are not real; real NULL: x. */
heed_tensor *heed__gates_real(heed_tape *t, heed_tensor *real, heed_tensor *x);
/* after where real, before elsewhere; real NULL: after. */
heed_tensor *heed__gates_keep(heed_tape *t, heed_tensor *real, heed_tensor *after,
                              heed_tensor *before);
/* Elements from `at` of a flat packed gradient, in the shape of x. */
heed_tensor *heed__gates_part(heed_tape *t, heed_tensor *packed, int64_t at,
                              const heed_tensor *x);

#endif
