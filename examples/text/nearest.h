/* Which of several names a misspelt one most likely means.
 *
 *     nearest_name n;
 *     nearest_begin(&n, "trian");
 *     for each name: nearest_offer(&n, name);
 *     if (n.best) ... "did you mean train?" */
#ifndef TEXT_NEAREST_H
#define TEXT_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

#define NEAREST_LONGEST 48

typedef struct nearest_name {
    const char *wrong, *best; /* best: NULL when nothing is near */
    int allowed;
} nearest_name;

void nearest_begin(nearest_name *n, const char *wrong);
void nearest_offer(nearest_name *n, const char *name);

#endif
