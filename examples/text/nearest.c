/* Did you mean: the distance of two names, and the nearest of several. */
#include "nearest.h"

#include <string.h>

static int least_of(int a, int b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, taken out, changed or swapped with a neighbour to make a
 * into b. */
static int distance(const char *a, const char *b)
{
    int row[3][NEAREST_LONGEST + 1];
    int a_size = (int)strlen(a), b_size = (int)strlen(b);
    for (int j = 0; j <= b_size; j++)
        row[0][j] = j;
    for (int i = 1; i <= a_size; i++) {
        int *before = row[(i + 1) % 3], *last = row[(i + 2) % 3], *now = row[i % 3];
        now[0] = i;
        for (int j = 1; j <= b_size; j++) {
            now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least_of(now[j], 1 + least_of(last[j], now[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least_of(now[j], before[j - 2] + 1);
        }
    }
    return row[a_size % 3][b_size];
}

void nearest_begin(nearest_name *n, const char *wrong)
{
    size_t length = strlen(wrong);
    bool hopeless = length < 2 || length > NEAREST_LONGEST;
    *n = (nearest_name){ .wrong = wrong, .allowed = 1 + (int)(length < 12 ? length : 12) / 3 };
    n->allowed = hopeless ? -1 : n->allowed;
}

void nearest_offer(nearest_name *n, const char *name)
{
    if (n->allowed < 0 || strlen(name) > NEAREST_LONGEST)
        return;
    int apart = strncmp(name, n->wrong, strlen(n->wrong)) == 0 ? 1 : distance(n->wrong, name);
    if (apart < n->allowed + (n->best == NULL)) {
        n->best = name;
        n->allowed = apart;
    }
}
