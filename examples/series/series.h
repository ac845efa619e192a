/* A series of values in time: a column of a file, or one that is made. */
#ifndef SERIES_SERIES_H
#define SERIES_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct series {
    double *values;
    int64_t count;
} series;

/* A trend, two seasons of 24 and 168 steps, and normal noise of deviation 0.3. */
bool series_make(series *s, int64_t count, uint64_t seed, char *error, size_t error_size);

/* What values may be, either side of 0: their differences can be squared and added up. */
#define SERIES_MOST 1e100

/* The column of that name, NULL: the only one, of a CSV file whose first line names its columns.
 * False and one sentence if there is none or more than one, or a value is no such number. */
bool series_read(series *s, const char *path, const char *column, char *error,
                 size_t error_size);
void series_free(series *s);

#endif
