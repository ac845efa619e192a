/* Random draws off the tape: a heed_random is a seed, a stream and a count, and nothing else.
 */
#include "random.h"
#include "heed.h"
#include "kernels/philox.h"

#include <math.h>

static uint64_t next_word(heed_random *r)
{
    philox_words x = philox(r->seed, r->stream, r->count++);
    return (uint64_t)x.word[0] << 32 | x.word[1];
}

double heed_random_uniform(heed_random *r)
{
    return (double)(next_word(r) >> 11) * 0x1p-53;
}

/* Box and Muller 1958; the second of the pair is not kept, so that the state stays a count. */
double heed_random_normal(heed_random *r)
{
    philox_words x = philox(r->seed, r->stream, r->count++);
    uint64_t a = (uint64_t)x.word[0] << 32 | x.word[1],
             b = (uint64_t)x.word[2] << 32 | x.word[3];
    double u = ((double)(a >> 11) + 1) * 0x1p-53; /* (0, 1] */
    double v = (double)(b >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * v);
}

uint64_t heed_random_below(heed_random *r, uint64_t limit)
{
    if (limit < 2)
        return 0;
    uint64_t excess =
        (UINT64_MAX % limit + 1) % limit; /* words above the last whole multiple */
    uint64_t x = next_word(r);
    while (x > UINT64_MAX - excess)
        x = next_word(r);
    return x % limit;
}
