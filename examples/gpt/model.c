/* The model folder (model.h). config.json is read strictly: a setting that this program
 * would not obey is refused rather than passed over. */
#include "model.h"

#include "config_file.h"
#include "figures.h"
#include "file.h"
#include "folder.h"
#include "json.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

#define FORMAT "heed gpt"

/* The fields that config.json has had from the beginning; the bits are read_field's. */
#define REQUIRED 4095u

static const char *const activations[] = {
    [HEED_GELU] = "gelu", [HEED_GELU_TANH] = "gelu_tanh", [HEED_RELU] = "relu",
    [HEED_SILU] = "silu", [HEED_TANH] = "tanh",           [HEED_SIGMOID] = "sigmoid"
};
static const char *const norms[] = {
    [HEED_LAYERNORM] = "layernorm", [HEED_RMSNORM] = "rmsnorm"
};
static const char *const positions[] = {
    [HEED_POSITIONS_LEARNED] = "learned",   [HEED_POSITIONS_SINUSOIDAL] = "sinusoidal",
    [HEED_POSITIONS_ROTARY] = "rotary",     [HEED_POSITIONS_ALIBI] = "alibi",
    [HEED_POSITIONS_RELATIVE] = "relative", [HEED_POSITIONS_NONE] = "none"
};

void model_describe(const heed_gpt_options *o, char *text, size_t size)
{
    char keys[64] = "", ordinal[64] = "";
    if (o->key_heads > 0 && o->key_heads != o->heads)
        snprintf(keys, sizeof keys, " (%d of keys)", o->key_heads);
    if (o->positions != HEED_POSITIONS_LEARNED)
        snprintf(ordinal, sizeof ordinal, ", positions %s", positions[o->positions]);
    snprintf(text, size, "%s, %s%s, width %lld, context %lld%s%s%s%s%s, %s",
             figure_of(o->layers, "layer").text, figure_of(o->heads, "head").text, keys,
             (long long)o->width, (long long)o->context, ordinal,
             o->norm == HEED_RMSNORM ? ", rmsnorm" : "", o->activation == HEED_GELU ? "" : ", ",
             o->activation == HEED_GELU ? "" : activations[o->activation],
             o->gated ? ", gated" : "", o->bias ? "biases" : "no biases");
}

bool model_make(gpt_model *m, heed_gpt_options options, char *error, size_t error_size)
{
    m->parameters = heed_params_new(HEED_F32, NULL);
    m->gpt = calloc(1, sizeof *m->gpt);
    if (m->parameters && m->gpt) {
        heed_gpt_init(m->gpt, m->parameters, options);
        if (!heed_params_error(m->parameters))
            return true;
    }
    heed__say(error, error_size, "%s",
              m->parameters && m->gpt ? heed_params_error(m->parameters)
                                      : "not enough memory for the model");
    heed_params_free(m->parameters);
    free(m->gpt);
    m->parameters = NULL;
    m->gpt = NULL;
    return false;
}

void model_close(gpt_model *m)
{
    heed_params_free(m->parameters);
    free(m->gpt);
    tokenizer_free(m->tokenizer);
    *m = (gpt_model){ 0 };
}

/* ---- config.json ---- */

static void write_config(const heed_gpt_options *o, int64_t step, heed__text *to)
{
    heed__text_print(to, "{\n  \"format\": \"" FORMAT "\",\n  \"version\": 1,\n");
    heed__text_print(to, "  \"vocabulary\": %lld,\n", (long long)o->vocabulary);
    heed__text_print(to, "  \"context\": %lld,\n", (long long)o->context);
    heed__text_print(to, "  \"width\": %lld,\n", (long long)o->width);
    heed__text_print(to, "  \"layers\": %d,\n  \"heads\": %d,\n", o->layers, o->heads);
    heed__text_print(to, "  \"key_heads\": %d,\n", o->key_heads ? o->key_heads : o->heads);
    heed__text_print(to, "  \"bias\": %s,\n  \"dropout\": ", o->bias ? "true" : "false");
    heed__json_put_double(to, o->dropout);
    heed__text_print(to, ",\n  \"activation\": \"%s\",\n", activations[o->activation]);
    heed__text_print(to, "  \"gated\": %s,\n", o->gated ? "true" : "false");
    heed__text_print(to, "  \"norm\": \"%s\",\n", norms[o->norm]);
    heed__text_print(to, "  \"positions\": \"%s\",\n", positions[o->positions]);
    heed__text_print(to, "  \"step\": %lld\n}\n", (long long)step);
}

/* The index of the string that follows in a list of names. */
static int read_name(heed__json *json, const char *const *names, int count)
{
    if (heed__json_next(json) == HEED__JSON_STRING) {
        for (int i = 0; i < count; i++) {
            if (heed__json_is(json, names[i]))
                return i;
        }
    }
    heed__json_fail(json, "%s is not known here", heed__quote(json->text, json->size).text);
    return 0;
}

static int64_t read_size(heed__json *json, int64_t least, int64_t most)
{
    int64_t size = 0;
    heed__json_next(json);
    heed__json_integer(json, least, most, &size);
    return size;
}

static bool read_flag(heed__json *json)
{
    heed__json_event event = heed__json_next(json);
    if (event != HEED__JSON_TRUE && event != HEED__JSON_FALSE)
        heed__json_fail(json, "expected true or false");
    return event == HEED__JSON_TRUE;
}

/* Reads the value of one field into o; its bit in a set of fields seen, 0 if there is no
 * such field. */
static unsigned read_field(heed__json *json, heed_gpt_options *o)
{
    if (heed__json_is(json, "vocabulary")) {
        o->vocabulary = read_size(json, 1, INT32_MAX);
        return 1;
    }
    if (heed__json_is(json, "context")) {
        o->context = read_size(json, 1, INT32_MAX);
        return 2;
    }
    if (heed__json_is(json, "width")) {
        o->width = read_size(json, 1, INT32_MAX);
        return 4;
    }
    if (heed__json_is(json, "layers")) {
        o->layers = (int)read_size(json, 1, HEED_STACK_MAX_LAYERS);
        return 8;
    }
    if (heed__json_is(json, "heads")) {
        o->heads = (int)read_size(json, 1, INT32_MAX);
        return 16;
    }
    if (heed__json_is(json, "bias")) {
        o->bias = read_flag(json);
        return 32;
    }
    if (heed__json_is(json, "dropout")) {
        heed__json_next(json);
        if (heed__json_double(json, &o->dropout) && !(o->dropout >= 0 && o->dropout < 1))
            heed__json_fail(json, "dropout must be at least 0 and below 1");
        return 64;
    }
    if (heed__json_is(json, "activation")) {
        o->activation = (heed_activation)read_name(json, activations, 6);
        return 128;
    }
    if (heed__json_is(json, "norm")) {
        o->norm = (heed_norm_kind)read_name(json, norms, 2);
        return 256;
    }
    if (heed__json_is(json, "positions")) {
        o->positions = (heed_position_kind)read_name(json, positions, 6);
        return 512;
    }
    if (heed__json_is(json, "step")) {
        read_size(json, 0, INT64_MAX);
        return 1024;
    }
    if (heed__json_is(json, "version")) {
        read_size(json, 1, 1);
        return 2048;
    }
    /* What came later: without it a model has as many heads of keys, and no gate. */
    if (heed__json_is(json, "key_heads")) {
        o->key_heads = (int)read_size(json, 1, INT32_MAX);
        return 4096;
    }
    if (heed__json_is(json, "gated")) {
        o->gated = read_flag(json);
        return 8192;
    }
    return 0;
}

static bool read_config(const char *path, heed_gpt_options *o, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size;
    char why[400];
    heed__json json;
    unsigned seen = 0;
    bool ours = false;
    if (!heed__file_read(path, NULL, &bytes, &size, error, error_size))
        return false;
    *o = (heed_gpt_options){ 0 };
    heed__json_begin(&json, bytes, size, 8, NULL);
    if (heed__json_next(&json) != HEED__JSON_OBJECT)
        heed__json_fail(&json, "expected an object");
    while (heed__json_next(&json) == HEED__JSON_KEY) {
        if (heed__json_is(&json, "format")) {
            ours = heed__json_next(&json) == HEED__JSON_STRING && heed__json_is(&json, FORMAT);
            if (!ours)
                config_fail_format(&json, FORMAT);
            continue;
        }
        if (!ours) {
            heed__json_fail(&json, "this is not the configuration of a heed gpt");
            break;
        }
        unsigned field = read_field(&json, o);
        if (field == 0)
            heed__json_fail(&json, "the setting %s is not known here",
                            heed__quote(json.text, json.size).text);
        seen |= field;
    }
    if (json.event == HEED__JSON_OBJECT_END && (!ours || (seen & REQUIRED) != REQUIRED))
        heed__json_fail(&json, ours ? "a setting is missing"
                                    : "this is not the configuration of a heed gpt");
    bool good = heed__json_end(&json, why, sizeof why);
    heed__release(NULL, bytes, size);
    return good ? true : heed__say(error, error_size, "%s: %s", path, why);
}

/* ---- the folder ---- */

bool model_open(gpt_model *m, const char *folder, char *error, size_t error_size)
{
    char config[4096], tokens[4096], numbers[4096];
    heed_gpt_options options;
    *m = (gpt_model){ 0 };
    if (!folder_path(config, sizeof config, folder, "config.json", error, error_size) ||
        !folder_path(tokens, sizeof tokens, folder, "tokenizer.json", error, error_size) ||
        !folder_path(numbers, sizeof numbers, folder, "model.safetensors", error, error_size) ||
        !read_config(config, &options, error, error_size))
        return false;
    if (options.key_heads > 0 && options.heads % options.key_heads != 0)
        return heed__say(error, error_size, "%s: heads %d are not divisible by key heads %d",
                         config, options.heads, options.key_heads);
    if (options.width % options.heads != 0)
        return heed__say(error, error_size, "%s: width %lld is not divisible by heads %d",
                         config, (long long)options.width, options.heads);
    m->tokenizer = tokenizer_load(tokens, error, error_size);
    if (!m->tokenizer)
        return false;
    bool good = tokenizer_vocabulary(m->tokenizer) == options.vocabulary;
    if (!good)
        heed__say(error, error_size, "%s has %lld tokens and %s says %lld", tokens,
                  (long long)tokenizer_vocabulary(m->tokenizer), config,
                  (long long)options.vocabulary);
    int64_t count = heed_gpt_count(&options);
    if (good)
        good = machine_has_memory(count < 0 || count > INT64_MAX / 4 ? -1 : 4 * count, error,
                                  error_size);
    if (good)
        good = model_make(m, options, error, error_size);
    if (good && !heed_params_load(m->parameters, numbers))
        good = heed__say(error, error_size, "%s", heed_params_error(m->parameters));
    if (!good)
        model_close(m);
    return good;
}

bool model_export(const gpt_model *m, const char *folder, int64_t step, char *error,
                  size_t error_size)
{
    char path[4096], number[32];
    heed__text config = { 0 };
    heed__writer writer;
    snprintf(number, sizeof number, "%lld", (long long)step);
    const char *const notes[] = { "format", "pt", "model", FORMAT, "step", number, NULL };

    if (!folder_path(path, sizeof path, folder, "tokenizer.json", error, error_size) ||
        !tokenizer_save(m->tokenizer, path, error, error_size) ||
        !folder_path(path, sizeof path, folder, "config.json", error, error_size))
        return false;
    write_config(&m->gpt->options, step, &config);
    heed__writer_begin(&writer, path, NULL);
    if (config.failed) {
        heed__writer_abandon(&writer);
        heed__text_free(&config);
        return heed__say(error, error_size, "cannot write %s: not enough memory", path);
    }
    heed__writer_add(&writer, config.bytes, config.size);
    heed__text_free(&config);
    if (!heed__writer_commit(&writer, error, error_size) ||
        !folder_path(path, sizeof path, folder, "model.safetensors", error, error_size))
        return false;
    if (!heed_params_save(m->parameters, path, notes))
        return heed__say(error, error_size, "%s", heed_params_error(m->parameters));
    return true;
}
