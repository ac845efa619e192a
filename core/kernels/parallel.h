/* The only file that speaks OpenMP. Work is a count of independent units fixed by shapes; which
 * thread runs a unit never shows in the result. */
#ifndef HEED_PARALLEL_H
#define HEED_PARALLEL_H

#include "kernels.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Runs body(context, unit, thread) for unit = 0 .. units - 1; thread < heed__threads(). */
static inline void parallel_for(int64_t units, void (*body)(void *, int64_t, int),
                                void *context)
{
#ifdef _OPENMP
    int threads = heed__threads();
    if (units > 1 && threads > 1 && !omp_in_parallel()) {
        if (units < threads)
            threads = (int)units;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
        for (int64_t unit = 0; unit < units; unit++)
            body(context, unit, omp_get_thread_num());
        return;
    }
#endif
    for (int64_t unit = 0; unit < units; unit++)
        body(context, unit, 0);
}

/* The same, on the caller's thread alone if it is not worth waking others. */
static inline void parallel_if(bool worth, int64_t units, void (*body)(void *, int64_t, int),
                               void *context)
{
    if (worth || heed__eager()) {
        parallel_for(units, body, context);
        return;
    }
    for (int64_t unit = 0; unit < units; unit++)
        body(context, unit, 0);
}

/* Units of some ten thousand elements, a few microseconds each: with less than so many of them
 * the work is done before another thread is awake, which on a busy machine may be never. */
#define PARALLEL_UNITS 8
static inline void parallel_units(int64_t units, void (*body)(void *, int64_t, int),
                                  void *context)
{
    parallel_if(units >= PARALLEL_UNITS, units, body, context);
}

/* Processors this process may use, for the first value of heed__threads. */
static inline int parallel_processors(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/* How many threads to use when n are asked for: all processors for n < 1, always one without
 * OpenMP. */
static inline int parallel_count(int n)
{
#ifdef _OPENMP
    return n < 1 ? parallel_processors() : n > 256 ? 256 : n;
#else
    (void)n;
    return 1;
#endif
}

#endif
