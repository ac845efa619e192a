/* What adapters offer to the linear layer. */
#ifndef HEED_LORA_PARTS_H
#define HEED_LORA_PARTS_H

#include "lora.h"

/* y and the part of the adapter beside the weight; y itself where there is none. */
heed_tensor *heed__lora_add(heed_tape *t, const heed_parameter *weight, heed_tensor *x,
                            heed_tensor *y);

#endif
