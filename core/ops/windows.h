/* Sliding windows, for convolution and pooling. */
#ifndef HEED_WINDOWS_H
#define HEED_WINDOWS_H

#include "ops.h"

/* Of a stride, padding, dilation or window size: sums of a few and products of two do not
 * overflow. */
#define WINDOWS_LONGEST INT32_MAX

/* Fills in the number of windows along each axis, (before + extent + after - reach)/stride + 1
 * where a window reaches over dilation (size - 1) + 1 elements. Refuses what is not positive
 * and a window that does not fit. */
bool heed__windows(heed_tape *t, const heed_call *c, kernel_windows *w);

#endif
