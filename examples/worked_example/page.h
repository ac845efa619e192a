/* The page that worked_example writes: sections of values that the library computed, each beside
 * what a document says of it, in English or in Korean, as text or as JSON. Values stand in the
 * same form in both languages. */
#ifndef WORKED_PAGE_H
#define WORKED_PAGE_H

#include "text.h"

#include <heed/heed.h>

typedef enum language { ENGLISH, KOREAN } language;

/* One text in both languages; the Korean may be NULL where the English is a formula. */
typedef struct words {
    const char *english, *korean;
} words;

typedef enum verdict {
    NOT_GIVEN, /* the document leaves the number out */
    RIGHT,     /* to 1e-9 */
    ROUNDED,   /* to 0.005 */
    WRONG
} verdict;

typedef struct item {
    const char *name; /* one word, unique in its section */
    words what;
    const heed_tensor *value; /* NULL: a sentence about no number */
    bool whole;               /* counts: printed without a fraction */
    /* What a document says, and where; a NULL source: it says nothing. */
    const char *source; /* "S1 §5.1" */
    words says;
    verdict verdict;
    words because; /* may be empty */
    /* Its numbers, which the first `count` of the value are compared with; the verdict must
     * agree. */
    const double *said;
    int count;
} item;

typedef struct page {
    language language;
    bool json;
    heed__text out;
    const char *section;
    int sections, items; /* begun; shown in this section */
    int verdicts[WRONG + 1];
    char complaint[400]; /* the first thing that does not hold, or empty */
} page;

/* The page as a whole: what stands before and after the sections. */
void page_begin(page *p);
void page_end(page *p);
void page_section(page *p, const char *name, words title);
void page_section_end(page *p);
/* A paragraph. Not part of the JSON. */
void page_say(page *p, words text);
void page_show(page *p, item shown);
/* Fails the page with a sentence unless it holds. */
void page_require(page *p, bool holds, const char *sentence);
/* The largest difference between two tensors of one size. */
double largest_difference(const heed_tensor *a, const heed_tensor *b);

/* ---- page_text.c: the text's form ---- */

/* Adds the text with every line behind `indent` blanks, broken before column 80. A Hangul
 * syllable is two columns wide. */
void page_wrap(heed__text *out, int indent, const char *text);
/* Columns that the text takes on a terminal. */
int page_columns(const char *text);
/* The value, a line for each row of its last axis. */
void page_numbers(heed__text *out, const heed_tensor *value, bool whole);

#endif
