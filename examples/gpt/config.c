/* The settings of a run (config.h). The options table is the only list of them: JSON and the
 * comparison on --resume walk the same table. */
#include "config.h"

#include "config_file.h"
#include "json.h"

#include <math.h>
#include <string.h>

void config_begin(gpt_config *c)
{
    *c = (gpt_config){
        .tokenizer = "char",
        .layers = 4,
        .heads = 4,
        .width = 128,
        .context = 64,
        .batch = 12,
        .accumulate = 1,
        .steps = 2000,
        .lr = 1e-3,
        .min_lr = 1e-4,
        .warmup = 100,
        .weight_decay = 0.1,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .clip = 1,
        .seed = 1337,
        .out = "gpt-run",
        .eval_every = 250,
        .eval_batches = 20,
    };
}

void config_free(gpt_config *c)
{
    free(c->strings[0]);
    free(c->strings[1]);
    c->strings[0] = c->strings[1] = NULL;
}

size_t config_table(gpt_config *c, option table[CONFIG_OPTIONS])
{
    const option options[] = {
        { .name = "Text", .kind = OPTION_HEADING },
        { "data", OPTION_STRING, &c->data, "what to learn; without it heed's own source text",
          .argument = "FILE" },
        { "tokenizer", OPTION_STRING, &c->tokenizer, "what a token is",
          .argument = "char|bytes|bpe:FOLDER" },
        { .name = "Model", .kind = OPTION_HEADING },
        { "layers", OPTION_INTEGER, &c->layers, "transformer blocks", .least = 1,
          .most = HEED_STACK_MAX_LAYERS },
        { "heads", OPTION_INTEGER, &c->heads, "attention heads; must divide the width",
          .least = 1, .most = 4096 },
        { "key-heads", OPTION_INTEGER, &c->key_heads,
          "heads of keys and values; must divide the heads; 0: as many", .least = 0,
          .most = 4096 },
        { "width", OPTION_INTEGER, &c->width, "numbers per token inside the model", .least = 1,
          .most = 1000000 },
        { "context", OPTION_INTEGER, &c->context, "tokens the model sees at once", .least = 1,
          .most = 1000000 },
        { "positions", OPTION_CHOICE, &c->positions, "how the model tells places apart",
          .choices = "learned|sinusoidal|rotary|alibi|relative|none" },
        { "norm", OPTION_CHOICE, &c->norm, "before attention and feed-forward layers",
          .choices = "layernorm|rmsnorm" },
        { "activation", OPTION_CHOICE, &c->activation, "of feed-forward layers",
          .choices = "gelu|gelu_tanh|relu|silu|tanh|sigmoid" },
        { "gated", OPTION_FLAG, &c->gated,
          "feed-forward layers with a gate; SwiGLU with --activation silu", .argument = "" },
        { "bias", OPTION_FLAG, &c->bias, "biases in linear layers and norms", .argument = "" },
        { "dropout", OPTION_REAL, &c->dropout, "share of values dropped while training",
          .low = 0, .high = 1, .below = true },
        { .name = "Training", .kind = OPTION_HEADING },
        { "batch", OPTION_INTEGER, &c->batch, "windows of text per sweep", .least = 1,
          .most = 1000000 },
        { "accumulate", OPTION_INTEGER, &c->accumulate, "sweeps per step", .least = 1,
          .most = 1000000 },
        { "steps", OPTION_INTEGER, &c->steps, "steps in all; the rate falls until then",
          .least = 1, .most = 1000000000 },
        { "minutes", OPTION_REAL, &c->minutes, "stop and save after that time; 0: no limit",
          .argument = "M", .low = 0, .high = INFINITY },
        { "lr", OPTION_REAL, &c->lr, "highest learning rate", .low = 0, .high = INFINITY,
          .above = true },
        { "min-lr", OPTION_REAL, &c->min_lr, "learning rate at the end", .low = 0,
          .high = INFINITY },
        { "warmup", OPTION_INTEGER, &c->warmup, "steps over which the rate rises", .least = 0,
          .most = 1000000000 },
        { "weight-decay", OPTION_REAL, &c->weight_decay, "decay of matrices", .low = 0,
          .high = INFINITY },
        { "beta1", OPTION_REAL, &c->beta1, "memory of AdamW's first moment", .low = 0,
          .high = 1, .above = true, .below = true },
        { "beta2", OPTION_REAL, &c->beta2, "memory of AdamW's second moment", .low = 0,
          .high = 1, .above = true, .below = true },
        { "clip", OPTION_REAL, &c->clip, "largest norm of the gradient; 0: any", .low = 0,
          .high = INFINITY },
        { "seed", OPTION_INTEGER, &c->seed, "of weights, batches and dropout", .least = 0,
          .most = INT64_MAX },
        { .name = "Run", .kind = OPTION_HEADING },
        { "out", OPTION_STRING, &c->out, "folder of the run", .argument = "DIR" },
        { "resume", OPTION_FLAG, &c->resume, "continue the run in the folder --out",
          .argument = "" },
        { "save-every", OPTION_INTEGER, &c->save_every,
          "steps between checkpoints; 0: as --eval-every", .least = 0, .most = 1000000000 },
        { "eval-every", OPTION_INTEGER, &c->eval_every, "steps between evaluations", .least = 1,
          .most = 1000000000 },
        { "eval-batches", OPTION_INTEGER, &c->eval_batches, "held-out batches per evaluation",
          .least = 1, .most = 1000000 },
        { "threads", OPTION_INTEGER, &c->threads,
          "threads; 0: OMP_NUM_THREADS, else all processors", .least = 0, .most = 1024 },
        { "progress", OPTION_CHOICE, &c->progress,
          "a redrawn line, plain lines or nothing; auto: as the output is",
          .choices = "auto|plain|none" },
    };
    size_t count = sizeof options / sizeof *options;
    memcpy(table, options, sizeof options);
    return count;
}

bool config_check(const gpt_config *c, char *error, size_t error_size)
{
    if (c->width % c->heads != 0)
        return heed__say(error, error_size, "width %lld is not divisible by heads %lld",
                         (long long)c->width, (long long)c->heads);
    if (c->key_heads > 0 && c->heads % c->key_heads != 0)
        return heed__say(error, error_size, "heads %lld are not divisible by key heads %lld",
                         (long long)c->heads, (long long)c->key_heads);
    if (c->positions == HEED_POSITIONS_ROTARY && c->width / c->heads % 2 != 0)
        return heed__say(error, error_size,
                         "--positions rotary turns pairs of numbers, and a head has %lld of "
                         "them: width %lld over heads %lld",
                         (long long)(c->width / c->heads), (long long)c->width,
                         (long long)c->heads);
    if (c->min_lr > c->lr)
        return heed__say(error, error_size, "--min-lr %g is above --lr %g", c->min_lr, c->lr);
    if (strcmp(c->tokenizer, "char") != 0 && strcmp(c->tokenizer, "bytes") != 0 &&
        (strncmp(c->tokenizer, "bpe:", 4) != 0 || c->tokenizer[4] == '\0'))
        return heed__say(error, error_size,
                         "--tokenizer must be char, bytes or bpe:FOLDER, not '%s'",
                         c->tokenizer);
    if (c->out[0] == '\0')
        return heed__say(error, error_size, "--out needs the name of a folder");
    return true;
}

/* Whether an option says how one start of the program goes about it and not what the run is. */
static bool is_of_the_start(const char *name)
{
    static const char *const names[] = { "out", "resume", "threads", "progress", "minutes" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool may_differ(const char *name)
{
    return strcmp(name, "steps") == 0 || strcmp(name, "eval-every") == 0 ||
           strcmp(name, "save-every") == 0;
}

/* What came later: a checkpoint without it is of a run with the default. */
static bool may_be_missing(const char *name)
{
    static const char *const names[] = { "key-heads", "positions", "norm", "activation",
                                         "gated" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

void config_to_json(gpt_config *c, heed__text *to)
{
    option table[CONFIG_OPTIONS];
    size_t count = config_table(c, table);
    const char *separator = "{";
    for (size_t i = 0; i < count; i++) {
        if (table[i].kind == OPTION_HEADING || is_of_the_start(table[i].name))
            continue;
        heed__text_print(to, "%s\"%s\":", separator, table[i].name);
        config_put_value(to, &table[i]);
        separator = ",";
    }
    heed__text_add_string(to, "}");
}

/* A string is null only where there is none. */
static bool read_string(heed__json *json, gpt_config *c, const option *o)
{
    char **own = &c->strings[o->value == (void *)&c->tokenizer];
    heed__json_event event = heed__json_next(json);
    if (event == HEED__JSON_NULL) {
        *(const char **)o->value = NULL;
        return true;
    }
    if (event != HEED__JSON_STRING)
        return heed__json_fail(json, "expected a string");
    free(*own);
    *own = strdup(json->text);
    *(const char **)o->value = *own;
    return *own ? true : heed__json_fail(json, "out of memory");
}

static bool read_value(heed__json *json, gpt_config *c, const option *o)
{
    return o->kind == OPTION_STRING ? read_string(json, c, o)
                                    : config_read_value(json, o, NULL);
}

bool config_from_json(gpt_config *c, const char *text, char *error, size_t error_size)
{
    option table[CONFIG_OPTIONS];
    size_t count = config_table(c, table);
    heed__json json;
    heed__json_begin(&json, text, strlen(text), 1, NULL);
    if (heed__json_next(&json) != HEED__JSON_OBJECT)
        heed__json_fail(&json, "expected an object");
    while (heed__json_next(&json) == HEED__JSON_KEY) {
        size_t i = 0;
        while (i < count &&
               (table[i].kind == OPTION_HEADING || is_of_the_start(table[i].name) ||
                !heed__json_is(&json, table[i].name)))
            i++;
        if (i == count)
            heed__json_fail(&json, "unknown setting %s",
                            heed__quote(json.text, json.size).text);
        else if (read_value(&json, c, &table[i]))
            table[i].given = true;
    }
    if (!heed__json_end(&json, error, error_size))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (table[i].kind != OPTION_HEADING && !is_of_the_start(table[i].name) &&
            !table[i].given && !may_be_missing(table[i].name))
            return heed__say(error, error_size, "the setting '%s' is missing", table[i].name);
    }
    if (!c->tokenizer)
        return heed__say(error, error_size, "the setting 'tokenizer' is null");
    return true;
}

bool config_resume(gpt_config *c, gpt_config *stored, const option *given, size_t given_size,
                   char *error, size_t error_size)
{
    option theirs[CONFIG_OPTIONS];
    gpt_config merged = *stored;
    option into[CONFIG_OPTIONS];
    config_table(stored, theirs);
    config_table(&merged, into);
    for (size_t i = 0; i < given_size; i++) {
        bool free_choice = given[i].kind != OPTION_HEADING &&
                           (is_of_the_start(given[i].name) || may_differ(given[i].name));
        /* Whether --data is the same text is for its bytes to say, not for its path. */
        if (given[i].kind == OPTION_HEADING || strcmp(given[i].name, "data") == 0 ||
            (!given[i].given && !is_of_the_start(given[i].name)))
            continue;
        if (!free_choice && !option_equal(&given[i], &theirs[i])) {
            heed__text was = { 0 };
            config_put_value(&was, &theirs[i]);
            heed__say(error, error_size,
                      "--%s differs from this run's, which is %s: with --resume only --steps, "
                      "--minutes, --out, --threads, --progress, --eval-every and --save-every "
                      "may differ",
                      given[i].name, was.bytes ? was.bytes : "another");
            heed__text_free(&was);
            return false;
        }
        if (free_choice)
            option_copy(&into[i], &given[i]);
    }
    if (c->data)
        merged.data = c->data;
    stored->strings[0] = stored->strings[1] = NULL;
    *c = merged;
    return true;
}

heed_gpt_options config_model(const gpt_config *c, int64_t vocabulary)
{
    return (heed_gpt_options){ .vocabulary = vocabulary,
                               .context = c->context,
                               .width = c->width,
                               .layers = (int)c->layers,
                               .heads = (int)c->heads,
                               .key_heads = (int)c->key_heads,
                               .positions = (heed_position_kind)c->positions,
                               .norm = (heed_norm_kind)c->norm,
                               .activation = (heed_activation)c->activation,
                               .gated = c->gated,
                               .bias = c->bias,
                               .dropout = c->dropout };
}
