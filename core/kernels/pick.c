/* Chooses the instruction set and the number of threads. The reference set ("base") runs
 * everywhere; a better one replaces it when the CPU has it. */
#include "kernels.h"
#include "parallel.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const kernel_isa heed__isa_base;
#ifdef HEED_HAVE_AVX2
extern const kernel_isa heed__isa_avx2;
#endif
#ifdef HEED_HAVE_AVX512
extern const kernel_isa heed__isa_avx512;
#endif

static _Atomic(const kernel_isa *) chosen;
static atomic_int threads;

const kernel_isa *heed__isa_at(int i)
{
    const kernel_isa *sets[3] = { &heed__isa_base };
    int count = 1;
#if defined(HEED_HAVE_AVX2) || defined(HEED_HAVE_AVX512)
    __builtin_cpu_init();
#endif
#ifdef HEED_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[count++] = &heed__isa_avx2;
#endif
#ifdef HEED_HAVE_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets[count++] = &heed__isa_avx512;
#endif
    return i >= 0 && i < count ? sets[i] : NULL;
}

bool heed__isa_select(const char *name)
{
    const kernel_isa *set;
    for (int i = 0; (set = heed__isa_at(i)) != NULL; i++) {
        if (strcmp(set->name, name) == 0) {
            atomic_store(&chosen, set);
            return true;
        }
    }
    return false;
}

const kernel_isa *heed__isa(void)
{
    const kernel_isa *set = atomic_load(&chosen);
    if (set)
        return set;
    const char *wish = getenv("HEED_ISA");
    if (!wish || !heed__isa_select(wish)) {
        const kernel_isa *best = NULL;
        for (int i = 0; (set = heed__isa_at(i)) != NULL; i++)
            best = set;
        atomic_store(&chosen, best);
    }
    return atomic_load(&chosen);
}

int heed__threads(void)
{
    int n = atomic_load(&threads);
    if (n == 0) {
        n = parallel_processors();
        atomic_store(&threads, n);
    }
    return n;
}

static atomic_bool eager;

bool heed__eager(void)
{
    return atomic_load_explicit(&eager, memory_order_relaxed);
}

void heed__set_eager(bool on)
{
    atomic_store(&eager, on);
}

void heed__set_threads(int n)
{
    atomic_store(&threads, parallel_count(n));
}
