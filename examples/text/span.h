/* Some text that lies elsewhere. */
#ifndef TEXT_SPAN_H
#define TEXT_SPAN_H

#include <stddef.h>

typedef struct text_span {
    const char *bytes; /* need not end in a NUL */
    size_t size;
} text_span;

#endif
