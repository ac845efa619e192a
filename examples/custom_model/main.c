/* A model of one's own: a module that does not come with heed, checked, trained, saved.
 *
 * The task is to look things up. A memory holds pairs of a key and a value; the model is given a
 * key and must say the value that stands beside it. No fixed mapping helps, since keys and values
 * are paired anew in every example: it has to attend. One gated reader does: cross-attention whose
 * result passes through a gate of the query's own. */
#include <heed/heed.h>
#include <heed/nn.h>
#include <heed/optim.h>

#include "options.h"

#include <math.h>
#include <stdio.h>

enum { KEYS = 12, VALUES = 10, PAIRS = 6, WIDTH = 32, BATCH = 64 };

/* ---- the module: a plain struct, an init, a forward ---- */

typedef struct reader {
    heed_linear_module q, k, v, gate;
} reader;

static void reader_init(reader *m, heed_params *ps, const char *name, int64_t width,
                        heed_random *r)
{
    heed_linear_options options = { .random = r };
    heed_params_scope(ps, name);
    heed_linear_init(&m->q, ps, "q", width, width, options);
    heed_linear_init(&m->k, ps, "k", width, width, options);
    heed_linear_init(&m->v, ps, "v", width, width, options);
    heed_linear_init(&m->gate, ps, "gate", width, width, options);
    heed_params_scope_end(ps);
}

/* x [B, T, C] reads memory [B, S, C]:  sigmoid(x W_g^T) softmax(q k^T/sqrt(C)) v. */
static heed_tensor *reader_forward(heed_tape *t, const reader *m, heed_tensor *x,
                                   heed_tensor *keys, heed_tensor *values)
{
    heed_scope(t, "reader");
    heed_tensor *q = heed_linear_forward(t, &m->q, x);
    heed_tensor *k = heed_linear_forward(t, &m->k, keys);
    heed_tensor *v = heed_linear_forward(t, &m->v, values);
    heed_tensor *scores = heed_matmul(t, q, heed_swap(t, k, -1, -2)); /* [B, T, S] */
    double scale = q ? 1 / sqrt((double)q->shape[2]) : 1;
    heed_tensor *weights = heed_softmax(t, heed_scale(t, scores, scale), -1);
    heed_tensor *read = heed_matmul(t, weights, v); /* [B, T, C] */
    heed_tensor *gate = heed_sigmoid(t, heed_linear_forward(t, &m->gate, x));
    heed_tensor *y = heed_mul(t, gate, read);
    heed_scope_end(t);
    return y;
}

/* ---- the model ---- */

typedef struct model {
    heed_embedding_module keys, values;
    reader reader;
    heed_linear_module output;
} model;

static void model_init(model *m, heed_params *ps, heed_random *r)
{
    heed_embedding_init(&m->keys, ps, "keys", KEYS, WIDTH, 1, r);
    heed_embedding_init(&m->values, ps, "values", VALUES, WIDTH, 1, r);
    reader_init(&m->reader, ps, "reader", WIDTH, r);
    heed_linear_init(&m->output, ps, "output", WIDTH, VALUES,
                     (heed_linear_options){ .bias = true, .random = r });
}

/* query [B, 1], keys and values [B, S] -> logits [B, VALUES]. */
static heed_tensor *model_forward(heed_tape *t, const model *m, heed_tensor *query,
                                  heed_tensor *keys, heed_tensor *values)
{
    heed_tensor *x = heed_embedding_forward(t, &m->keys, query);
    heed_tensor *k = heed_embedding_forward(t, &m->keys, keys);
    heed_tensor *v = heed_embedding_forward(t, &m->values, values);
    heed_tensor *read = reader_forward(t, &m->reader, x, k, v);
    return heed_select(t, heed_linear_forward(t, &m->output, read), 1, 0);
}

/* ---- proving it ---- */

/* One number from the reader alone. */
static heed_tensor *energy(heed_tape *t, heed_tensor *const x[], void *m)
{
    heed_tensor *y = reader_forward(t, m, x[0], x[1], x[2]);
    return heed_sum(t, heed_square(t, y));
}

static heed_tensor *read_all(heed_tape *t, heed_tensor *const x[], void *m)
{
    return reader_forward(t, m, x[0], x[1], x[2]);
}

/* A query [b, t, c] has nothing to do with other queries, be they of the same example. */
static bool own_query(const int64_t *output, const int64_t *input, void *user)
{
    (void)user;
    return output[0] == input[0] && output[1] == input[1];
}

static bool check(void)
{
    reader m;
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_random r = { .seed = 3 };
    const heed_input x[] = { { .shape = HEED_DIMS(2, 2, 4) },
                             { .shape = HEED_DIMS(2, 3, 4) },
                             { .shape = HEED_DIMS(2, 3, 4) } };
    reader_init(&m, ps, "reader", 4, &r);
    heed_report reports[] = {
        heed_check(energy, &m, ps, 3, x, &(heed_check_options){ .order = 2 }),
        heed_check_taylor(energy, &m, ps, 3, x, NULL),
        heed_leak_check(read_all, &m, ps, 3, x, (heed_leak_options){ .may_depend = own_query }),
    };
    static const char *const names[] = { "gradients, order 2", "Taylor", "queries are apart" };
    bool good = true;
    for (int i = 0; i < 3; i++) {
        printf("%s: ", names[i]);
        heed_report_print(&reports[i], stdout);
        good = good && reports[i].passed;
    }
    heed_params_free(ps);
    return good;
}

/* ---- data and training ---- */

typedef struct batch {
    int32_t query[BATCH], keys[BATCH * PAIRS], values[BATCH * PAIRS], answer[BATCH];
} batch;

static void draw(batch *b, heed_random *r)
{
    for (int i = 0; i < BATCH; i++) {
        int32_t deck[KEYS];
        for (int k = 0; k < KEYS; k++)
            deck[k] = k;
        for (int k = 0; k < PAIRS; k++) { /* different keys */
            int other = k + (int)heed_random_below(r, (uint64_t)(KEYS - k));
            int32_t key = deck[other];
            deck[other] = deck[k];
            deck[k] = key;
            b->keys[i * PAIRS + k] = key;
            b->values[i * PAIRS + k] = (int32_t)heed_random_below(r, VALUES);
        }
        int asked = (int)heed_random_below(r, PAIRS);
        b->query[i] = b->keys[i * PAIRS + asked];
        b->answer[i] = b->values[i * PAIRS + asked];
    }
}

static heed_tensor *logits_of(heed_tape *t, const model *m, const batch *b)
{
    heed_tensor *query = heed_ids(t, HEED_SHAPE(BATCH, 1), b->query);
    heed_tensor *keys = heed_ids(t, HEED_SHAPE(BATCH, PAIRS), b->keys);
    heed_tensor *values = heed_ids(t, HEED_SHAPE(BATCH, PAIRS), b->values);
    return model_forward(t, m, query, keys, values);
}

static double accuracy(heed_tape *t, const model *m, heed_random *r)
{
    batch b;
    int right = 0, total = 0;
    for (int round = 0; round < 8; round++) {
        draw(&b, r);
        heed_tape_reset(t);
        heed_tensor *logits = logits_of(t, m, &b);
        for (int i = 0; i < BATCH && logits; i++, total++) {
            int best = 0;
            for (int v = 1; v < VALUES; v++) {
                if (heed_at(logits, i * VALUES + v) > heed_at(logits, i * VALUES + best))
                    best = v;
            }
            right += best == b.answer[i];
        }
    }
    return total ? (double)right / total : 0;
}

static const char summary[] =
    "Checks and trains a module of one's own that looks things up, and may save its weights,\n"
    "as PyTorch and NumPy open them.\n"
    "\n"
    "  custom_model\n"
    "  custom_model FILE.safetensors";

int main(int count, char **arguments)
{
    int named = count > 1 && arguments[1][0] != '-';
    int code = options_begin("custom_model", summary, NULL, 0, count - 1 - named,
                             arguments + 1 + named);
    if (code >= 0)
        return code;
    model m;
    batch b;
    heed_random r = { .seed = 7 };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_tape *t = heed_tape_new(NULL);
    model_init(&m, ps, &r);
    heed_optimizer *o = heed_adamw_new(ps, (heed_adam_options){ .lr = 3e-3, .decay = 0.01 });
    bool good = check() && t && o;
    for (int step = 0; good && step < 600; step++) {
        draw(&b, &r);
        heed_tape_reset(t);
        heed_tensor *labels = heed_ids(t, HEED_SHAPE(BATCH), b.answer);
        heed_tensor *loss = heed_cross_entropy(t, logits_of(t, &m, &b), labels, NULL);
        if (step % 100 == 0)
            printf("step %3d  loss %.4f\n", step, heed_item(t, loss));
        good = heed_backward(t, loss) && heed_optimizer_step(o, heed_params_gradients(ps));
    }
    if (good) {
        double share = accuracy(t, &m, &r);
        printf("%lld parameters; %.1f %% of the answers are right (guessing: %.0f %%)\n",
               (long long)heed_params_size(ps), 100 * share, 100.0 / VALUES);
        good = share > 0.99;
    }
    if (good && named)
        good = heed_params_save(ps, arguments[1], NULL);
    if (t && heed_error(t))
        fprintf(stderr, "custom_model: %s\n", heed_error(t));
    else if (heed_params_error(ps))
        fprintf(stderr, "custom_model: %s\n", heed_params_error(ps));
    heed_optimizer_free(o);
    heed_tape_free(t);
    heed_params_free(ps);
    return options_end("custom_model", good ? 0 : 1);
}
