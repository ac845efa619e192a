/* Command-line options of the programs: one table says names, kinds, limits and help, and gives
 * the parser, the --help text and the record of what was given. It knows libc and nothing of
 * heed.
 *
 *     int64_t layers = 4;
 *     int device = 0;
 *     option table[] = {
 *         { "Model", .kind = OPTION_HEADING },
 *         { "layers", OPTION_INTEGER, &layers, .help = "transformer blocks", .least = 1, .most
 *         = 200 }, { "device", OPTION_CHOICE, &device, .help = "where to run", .choices =
 *         "auto|plain|none" },
 *     };
 *     int code = options_begin("gpt train", summary, table, 3, argc - 2, argv + 2);
 *     if (code >= 0)
 *         return code;
 *
 * A value's content before parsing is its default. Values change only if the whole line is
 * right. */
#ifndef TEXT_OPTIONS_H
#define TEXT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum option_kind {
    OPTION_HEADING, /* no option: name is a title for those that follow */
    OPTION_STRING,  /* const char **: points into the arguments */
    OPTION_INTEGER, /* int64_t * */
    OPTION_REAL,    /* double *, finite */
    OPTION_FLAG,    /* bool *: --name sets it, --no-name clears it */
    OPTION_CHOICE   /* int *: index into choices */
} option_kind;

typedef struct option {
    const char *name; /* without the dashes */
    option_kind kind;
    void *value;
    const char *help;     /* one line, no full stop */
    const char *argument; /* what --help calls the value; NULL: TEXT, N, X by its kind */
    const char *choices;  /* "auto|plain|none" */
    int64_t least, most;  /* of an integer; both 0: any */
    double low, high;     /* of a real; both 0: any. For one side, the other is INFINITY */
    bool above, below;    /* low, high themselves are excluded */
    bool late;            /* config_file.h: not in older files, which mean the default */
    bool given;           /* set by the parser: it stood on the command line */
} option;

typedef enum options_result { OPTIONS_GOOD, OPTIONS_HELP, OPTIONS_BAD } options_result;

/* For programs that take words besides options: brings those arguments that options_parse
 * would read to the front and all others behind them, both in their order, and returns how many
 * the former are. What follows -- is a word, whatever it begins with. */
int options_before_words(const option *table, size_t table_size, int count, char **arguments);

/* Reads `count` arguments: --name VALUE, --name=VALUE, --flag, --no-flag; the last of a name
 * counts, and the last of all may be --. OPTIONS_HELP if --help or -h is there and what stands
 * before it is right. OPTIONS_BAD with one sentence that begins with `program`: "gpt train:
 * unknown option --layrs; did you mean --layers?". */
options_result options_parse(const char *program, option *table, size_t table_size, int count,
                             char *const *arguments, char *error, size_t error_size);

/* Every option with its help and default, under its heading. */
void options_help(FILE *to, const char *program, const char *summary, const option *table,
                  size_t table_size);

/* How every command begins: reads the line, and does what --help or a mistake in it asks for.
 * -1: go on; otherwise all is said, and that is the program's exit code. */
int options_begin(const char *program, const char *summary, option *table, size_t table_size,
                  int count, char *const *arguments);

/* How every program ends: `code`, but 1 and a sentence in place of 0 if what it has printed
 * does not arrive. */
int options_end(const char *program, int code);

/* Whether the option of that name stood on the command line. */
bool options_given(const option *table, size_t table_size, const char *name);

/* Two options of one kind: whether their values are the same, and giving one that of another.
 * Strings are compared by their characters and copied by their address. */
bool option_equal(const option *a, const option *b);
void option_copy(const option *to, const option *from);

#endif
