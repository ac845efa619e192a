/* A file's text a line at a time, for readers that name the line in what they complain of. */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct line_reader {
    const char *path;        /* for sentences */
    const char *next, *stop; /* what has not been read */
    char *error;             /* where sentences go */
    size_t error_size;
    /* ---- filled in ---- */
    const char *at, *end; /* the line, without its LF or CR LF */
    int64_t number;       /* from 1 */
} line_reader;

/* Moves on to the next line, at first past a byte order mark; false after the last one. */
bool lines_next(line_reader *r);

#endif
