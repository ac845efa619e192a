/* The text a run learns from or is judged by: its bytes, its tokens in two parts, and
 * windows drawn from them. Knows tokenizers and the library's file room. */
#ifndef GPT_DATA_H
#define GPT_DATA_H

#include "tokenizer.h"

#include <heed/heed.h>

typedef struct gpt_text {
    const char *bytes;
    size_t size;
    const char *name; /* for sentences: the path, or what the built-in text is called */
    unsigned char *file;
    size_t file_size;
    int64_t line_ends; /* that were CR LF and are LF */
} gpt_text;

/* Consecutive tokens of a text. */
typedef struct gpt_part {
    int32_t *ids;
    int64_t count;
    size_t bytes; /* of text they stand for */
} gpt_part;

/* What random draws are for; each has streams of its own under the run's seed. */
typedef enum gpt_draw { DRAW_WEIGHTS, DRAW_TRAINING, DRAW_EVALUATION, DRAW_SAMPLE } gpt_draw;

/* Reads a file, or takes the built-in text if path is NULL. Empty texts are refused. Unless its
 * exact bytes are asked for, a text loses what editors put there and no one reads: U+FEFF at its
 * beginning, and the CR of each CR LF. */
bool text_open(gpt_text *text, const char *path, bool exact, char *error, size_t error_size);
void text_close(gpt_text *text);
/* Whether a --tokenizer, or a kind of tokenizer, wants exact bytes: "bytes" takes any data. */
bool text_is_exact(const char *which);
/* Says on stderr, after a program's name, if line ends were changed. */
void text_report(const gpt_text *text, const char *program);
/* Tells one text from another, whatever it is called. */
uint64_t text_hash(const gpt_text *text);

/* The tokenizer a --tokenizer names, made for this text. */
tokenizer *text_tokenizer(const gpt_text *text, const char *which, char *error,
                          size_t error_size);

/* How many of its bytes are for training: the first 90 % of its characters (of its bytes,
 * for a bytes tokenizer). The rest is held out. */
size_t text_split_at(const gpt_text *text, const tokenizer *tok);

/* The tokens of bytes start .. end - 1. */
bool part_open(gpt_part *part, const gpt_text *text, const tokenizer *tok, size_t start,
               size_t end, char *error, size_t error_size);
void part_close(gpt_part *part);

heed_random data_random(uint64_t seed, gpt_draw what, int64_t index);

/* Draws `batch` windows at random offsets: ids [batch, context] and the targets one further
 * on. The part has more than `context` tokens. */
void part_draw(const gpt_part *part, heed_random r, int64_t batch, int64_t context,
               int32_t *ids, int32_t *targets);

#endif
