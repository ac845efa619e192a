/* The model and its folder (reader.h). */
#include "reader.h"

#include "config_file.h"
#include "folder.h"
#include "machine.h"
#include "text.h"

#include <string.h>

#define FORMAT "heed bert"

size_t settings_table(settings *s, option table[SETTINGS_OPTIONS])
{
    const option options[] = {
        { .name = "Model", .kind = OPTION_HEADING },
        { "width", OPTION_INTEGER, &s->width, "numbers for each word", .least = 1,
          .most = 4096 },
        { "layers", OPTION_INTEGER, &s->layers, "transformer blocks", .least = 1, .most = 64 },
        { "heads", OPTION_INTEGER, &s->heads, "of attention; must divide the width", .least = 1,
          .most = 256 },
        { "longest", OPTION_INTEGER, &s->longest, "tokens of a sentence; the rest is cut off",
          .least = 2, .most = 4096 },
        { "positions", OPTION_CHOICE, &s->positions, "how places are told apart",
          .choices = "learned|sinusoidal|rotary|alibi|relative|none" },
        { "post-norm", OPTION_FLAG, &s->post_norm, "norms after the sums, as the paper",
          .argument = "" },
        { "dropout", OPTION_REAL, &s->dropout, "share of values dropped while training",
          .low = 0, .high = 1, .below = true },
    };
    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

bool settings_check(const settings *s, char *error, size_t error_size)
{
    if (s->width % s->heads != 0)
        return heed__say(error, error_size, "width %lld is not divisible by heads %lld",
                         (long long)s->width, (long long)s->heads);
    return s->positions != HEED_POSITIONS_ROTARY || s->width / s->heads % 2 == 0 ||
           heed__say(error, error_size,
                     "--positions rotary turns pairs of numbers, and a head has %lld of them: "
                     "width %lld over heads %lld",
                     (long long)(s->width / s->heads), (long long)s->width,
                     (long long)s->heads);
}

static size_t stored_table(settings *s, option table[SETTINGS_OPTIONS])
{
    size_t count = settings_table(s, table);
    table[count] = (option){ "tokens", OPTION_INTEGER, &s->tokens,
                             .least = VOCABULARY_SPECIALS + 1, .most = VOCABULARY_MOST };
    return count + 1;
}

heed_bert_options settings_model(const settings *s, heed_random *random)
{
    return (heed_bert_options){ .vocabulary = s->tokens + 1,
                                .width = s->width,
                                .layers = (int)s->layers,
                                .heads = (int)s->heads,
                                .positions = (heed_position_kind)s->positions,
                                .longest = s->longest,
                                .place = s->post_norm ? HEED_POST_NORM : HEED_PRE_NORM,
                                .bias = true,
                                .dropout = s->dropout,
                                .attention_dropout = s->dropout,
                                .random = random };
}

/* The machine must have memory for the model's numbers, of which these are most; to learn also
 * for their gradients and two moments. */
static bool has_room(const settings *s, bool learns, char *error, size_t error_size)
{
    int64_t w = s->width, blocks = 12 * s->layers * w;
    int64_t numbers = (blocks + s->tokens + s->longest) * w;
    return machine_has_memory(numbers * (int64_t)sizeof(float) * (learns ? 4 : 1), error,
                              error_size);
}

bool reader_make(reader *r, heed_random *random, char *error, size_t error_size)
{
    if (!has_room(&r->settings, random != NULL, error, error_size))
        return false;
    r->parameters = heed_params_new(HEED_F32, NULL);
    if (!r->parameters)
        return heed__say(error, error_size, "not enough memory for the model");
    heed_bert_init(&r->bert, r->parameters, "bert", settings_model(&r->settings, random));
    heed_bert_words_init(&r->head, r->parameters, "words", &r->bert, random);
    const char *why = heed_params_error(r->parameters);
    return !why || heed__say(error, error_size, "%s", why);
}

void reader_close(reader *r)
{
    heed_params_free(r->parameters);
    vocabulary_free(r->words);
    *r = (reader){ 0 };
}

/* ---- the folder ---- */

static bool open_words(reader *r, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    if (!folder_path(path, sizeof path, folder, "vocabulary.json", error, error_size))
        return false;
    r->words = vocabulary_load(path, error, error_size);
    if (!r->words)
        return false;
    int64_t found = vocabulary_size(r->words);
    return found == r->settings.tokens ||
           heed__say(error, error_size, "%s has %lld tokens, but the model was made for %lld",
                     path, (long long)found, (long long)r->settings.tokens);
}

bool reader_open(reader *r, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    option table[SETTINGS_OPTIONS];
    *r = (reader){ 0 };
    size_t count = stored_table(&r->settings, table);
    bool good = folder_path(path, sizeof path, folder, "config.json", error, error_size) &&
                config_read(path, FORMAT, table, count, error, error_size) &&
                open_words(r, folder, error, error_size) &&
                reader_make(r, NULL, error, error_size) &&
                folder_path(path, sizeof path, folder, "model.safetensors", error, error_size);
    if (good && !heed_params_load(r->parameters, path))
        good = heed__say(error, error_size, "%s", heed_params_error(r->parameters));
    if (!good)
        reader_close(r);
    return good;
}

bool reader_save(reader *r, const char *folder, char *error, size_t error_size)
{
    char path[4096];
    option table[SETTINGS_OPTIONS];
    const char *const notes[] = { "format", "pt", NULL };
    size_t count = stored_table(&r->settings, table);
    if (!folder_path(path, sizeof path, folder, "vocabulary.json", error, error_size) ||
        !vocabulary_save(r->words, path, error, error_size) ||
        !folder_path(path, sizeof path, folder, "model.safetensors", error, error_size))
        return false;
    if (!heed_params_save(r->parameters, path, notes))
        return heed__say(error, error_size, "%s", heed_params_error(r->parameters));
    return folder_path(path, sizeof path, folder, "config.json", error, error_size) &&
           config_write(path, FORMAT, table, count, error, error_size);
}

/* ---- reading ---- */

heed_tensor *reader_forward(heed_tape *t, const reader *r, heed_tensor *ids,
                            const int32_t *lengths)
{
    heed_tensor *states = heed_bert_forward(t, &r->bert, ids, NULL, lengths);
    return heed_bert_words_forward(t, &r->head, states);
}

heed_masking reader_masking(const reader *r)
{
    return (heed_masking){ .share = 0.15,
                           .kept = 0.1,
                           .random = 0.1,
                           .mask = (int32_t)r->settings.tokens,
                           .first = VOCABULARY_SPECIALS,
                           .vocabulary = (int32_t)r->settings.tokens };
}
