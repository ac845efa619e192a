/* What the files of multi-head attention share. */
#ifndef HEED_MULTIHEAD_PARTS_H
#define HEED_MULTIHEAD_PARTS_H

#include "nn.h"

/* Whether the options, with max_distance filled in, make an attention of this width; if not, one
 * sentence says why. */
bool heed__multihead_sound(heed_params *ps, int64_t width,
                           const heed_multihead_attention_options *o);

#endif
