/* What cells offer to layers over sequences: settings checked, parameters registered, and a pass
 * over many steps with what they share made once. */
#ifndef HEED_RECURRENT_CELL_H
#define HEED_RECURRENT_CELL_H

#include "recurrent.h"

/* Whether the settings fit together; else the set fails in a sentence. */
bool heed__recurrent_sound(heed_params *ps, int64_t input, const heed_recurrent_options *o);
/* Registers weight_ih<suffix> and its kin under the current scope, with their first values. */
void heed__recurrent_register(heed_recurrent_cell *m, heed_params *ps, const char *suffix,
                              int64_t input, const heed_recurrent_options *o);
const char *heed__recurrent_name(heed_recurrent_kind kind);

typedef struct heed__recurrent_pass {
    const heed_recurrent_cell *m;
    heed_tensor *weight_ih, *bias;     /* of the input's product */
    heed_tensor *weight_hh, *bias_hh;  /* of the state's; reset before: the rows r and z */
    heed_tensor *weight_hn, *peephole; /* reset before: the rows n; peepholes */
} heed__recurrent_pass;
heed__recurrent_pass heed__recurrent_begin(heed_tape *t, const heed_recurrent_cell *m);
/* The input's part of all gates, of any number of steps: [..., in] -> [..., G H]. */
heed_tensor *heed__recurrent_project(heed_tape *t, const heed__recurrent_pass *pass,
                                     heed_tensor *x);
/* One step from projected [B, G H]; real: bool [B], false where the state is kept; or NULL. */
heed_recurrent_state heed__recurrent_step(heed_tape *t, const heed__recurrent_pass *pass,
                                          heed_tensor *projected, heed_recurrent_state state,
                                          heed_tensor *real);

#endif
