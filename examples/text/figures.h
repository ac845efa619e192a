/* Numbers as people read them. Knows libc. */
#ifndef TEXT_FIGURES_H
#define TEXT_FIGURES_H

#include <stdint.h>
#include <stdio.h>

typedef struct figure {
    char text[48];
} figure;

figure figure_count(int64_t count); /* 1,003,854 */
/* 1 layer, 1,003 layers, 2 classes; the noun is a short one. */
figure figure_of(int64_t count, const char *noun);
figure figure_bytes(double bytes);  /* 46.1 MiB */
figure figure_time(double seconds); /* 48 s, 3:12, 1:02:03 */
/* e^loss to four digits after the point; of what has diverged no more than "> 1e9", or "NaN". */
figure figure_perplexity(double loss);
/* 0.0015, with so many digits, three at least, that another number reads differently. */
figure figure_apart(double x, double other);

/* A word so that a POSIX shell reads it as it is. */
void figure_quote(FILE *to, const char *word);

#endif
