/* The record shown as text and as a Graphviz graph, of a branch and of an encoder and decoder
 * unrolled in time; and the numerical sanitizer. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <heed/nn.h>
#include <heed/op.h>
#include <heed/seq2seq.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static heed_params *make_params(void)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    ck_assert_ptr_nonnull(ps);
    return ps;
}

/* What a printer writes, as a string to be freed. */
static char *text_of(bool (*print)(const heed_tape *, FILE *), const heed_tape *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(file);
    ck_assert(print(t, file));
    fclose(file);
    return text;
}

/* y = tanh(x W^T) + x, in a scope: a residual branch. */
static heed_tensor *residual(heed_tape *t, const heed_linear_module *m, heed_tensor *x)
{
    heed_scope(t, "branch");
    heed_tensor *h = heed_tanh(t, heed_linear_forward(t, m, x));
    heed_scope_end(t);
    return heed_add(t, h, x);
}

START_TEST(shown_as_text)
{
    heed_params *ps = make_params();
    heed_linear_module m;
    heed_linear_init(&m, ps, "out", 3, 3, (heed_linear_options){ 0 });
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(2, 3), 1));
    heed_sum(t, residual(t, &m, x));
    char *text = text_of(heed_tape_print, t);
    ck_assert_str_eq(text,
                     "%0 = linear(watched [2,3], out.weight [3,3], none) -> f64 [2,3]  branch\n"
                     "%1 = tanh(%0 [2,3]) -> f64 [2,3]  branch\n"
                     "%2 = add(%1 [2,3], watched [2,3]) -> f64 [2,3]\n"
                     "%3 = sum(%2 [2,3]) -> f64 []\n");
    free(text);
    heed_tape_reset(t);
    text = text_of(heed_tape_print, t);
    ck_assert_str_eq(text, "");
    free(text);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* A watched input is one node however often it is read; the residual arrow goes around the
 * branch's box; names are escaped. */
START_TEST(shown_as_dot)
{
    heed_params *ps = make_params();
    heed_parameter *p = heed_parameter_new(ps, "w\"1\"", HEED_SHAPE(3), 0);
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *x = heed_watch(t, heed_full(t, HEED_SHAPE(2, 3), 1));
    heed_scope(t, "a");
    heed_scope(t, "b");
    heed_tensor *h = heed_mul(t, x, heed_use(t, p));
    heed_scope_end(t);
    heed_scope_end(t);
    heed_add(t, h, x);
    char *text = text_of(heed_tape_write_dot, t);
    ck_assert_str_eq(
        text, "digraph tape {\n"
              "  rankdir=BT;\n"
              "  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=10];\n"
              "  graph [fontname=\"sans-serif\", fontsize=10, color=\"#999999\"];\n"
              "  subgraph cluster_1 { label=\"a\";\n"
              "  subgraph cluster_2 { label=\"b\";\n"
              "  op0 [label=\"mul\\n[2,3]\"];\n"
              "  }\n"
              "  }\n"
              "  leaf0_0 [label=\"watched\\n[2,3]\", shape=ellipse];\n"
              "  leaf0_0 -> op0;\n"
              "  leaf0_1 [label=\"w\\\"1\\\"\\n[3]\", style=filled, fillcolor=\"#dfe8f5\"];\n"
              "  leaf0_1 -> op0;\n"
              "  op1 [label=\"add\\n[2,3]\"];\n"
              "  op0 -> op1;\n"
              "  leaf0_0 -> op1;\n"
              "}\n");
    free(text);
    heed_tape_free(t);
    heed_params_free(ps);
}
END_TEST

/* ---- an encoder and a decoder ---- */

enum { S = 3, T = 4, H = 4, V = 5 };

/* A line of the text: what is computed, of which lines before it, and where. */
typedef struct line {
    char op[32], scope[32], shape[32];
    int operand[16], operands;
} line;

static line read_line(const char *text, int number)
{
    line l = { .operands = 0 };
    int own = -1, from = 0;
    ck_assert_int_eq(sscanf(text, "%%%d = %31[a-z0-9_](%n", &own, l.op, &from), 2);
    ck_assert_int_eq(own, number);
    const char *end = strstr(text, ") -> f64 ");
    ck_assert_ptr_nonnull(end);
    for (const char *c = strchr(text + from, '%'); c && c < end; c = strchr(c + 1, '%')) {
        int at = atoi(c + 1);
        ck_assert_msg(at < number && l.operands < 16, "%s", text);
        l.operand[l.operands++] = at;
    }
    sscanf(end, ") -> f64 %31s  %31s", l.shape, l.scope);
    return l;
}

/* A source of 3 tokens, 4 steps of a target, by GRUs, attention before the step. */
static int read_graph(line lines[256])
{
    static heed_seq2seq m;
    static const int32_t source[S] = { 1, 2, 3 }, target[T] = { 1, 2, 3, 4 };
    heed_params *ps = make_params();
    heed_random r = { .seed = 1 };
    heed_seq2seq_init(&m, ps, "m",
                      (heed_seq2seq_options){ .source_vocabulary = V,
                                              .target_vocabulary = V,
                                              .embedding = 2,
                                              .hidden = H,
                                              .kind = HEED_GRU,
                                              .reading = HEED_READ_BEFORE,
                                              .random = &r });
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    heed_tensor *ids = heed_ids(t, HEED_SHAPE(1, S), source);
    heed_seq2seq_source read = heed_seq2seq_encode(t, &m, ids, NULL);
    heed_tensor *meant = heed_ids(t, HEED_SHAPE(1, T), target);
    heed_tensor *inputs = heed_shift_right(t, meant, 0);
    heed_tensor *logits = heed_seq2seq_forward(t, &m, &read, inputs, 1).logits;
    heed_cross_entropy(t, logits, meant, NULL);
    ck_assert_msg(heed_error(t) == NULL, "%s", heed_error(t));
    char *text = text_of(heed_tape_print, t), *rest = text;
    int count = 0;
    for (char *end; (end = strchr(rest, '\n')) && count < 256; rest = end + 1, count++) {
        *end = '\0';
        lines[count] = read_line(rest, count);
    }
    ck_assert_str_eq(rest, "");
    free(text);
    heed_tape_free(t);
    heed_params_free(ps);
    return count;
}

static bool reads(const line *l, int number)
{
    for (int i = 0; i < l->operands; i++)
        if (l->operand[i] == number)
            return true;
    return false;
}

/* A step of either for each token, each reading the one before; weights over the source and
 * logits at each step of the decoder, whose contexts read what the encoder made; and nothing of
 * the encoder after the decoder has begun. */
START_TEST(encoder_and_decoder)
{
    line lines[256];
    int count = read_graph(lines);
    int encoder = 0, decoder = 0, weights = 0, contexts = 0, logits = 0, step = -1;
    bool decoding = false;
    for (int i = 0; i < count; i++) {
        const line *l = &lines[i];
        bool encodes = strncmp(l->scope, "encode", 6) == 0;
        bool decodes = strcmp(l->scope, "decode") == 0;
        decoding = decoding || decodes;
        ck_assert(!(encodes && decoding));
        if (strcmp(l->op, "gru_gates") == 0) {
            ck_assert_str_eq(l->shape, "[1,4]");
            encoder += encodes;
            decoder += decodes;
            if (encoder + decoder > 1 && !(decodes && decoder == 1)) /* which is a view of it */
                ck_assert_msg(reads(l, step), "%d does not read %d", i, step);
            step = i;
        }
        if (decodes && strcmp(l->op, "softmax") == 0) {
            ck_assert_str_eq(l->shape, "[1,1,3]");
            weights++;
            const line *context = &lines[i + 1];
            ck_assert_str_eq(context->op, "matmul");
            ck_assert_str_eq(context->shape, "[1,1,4]");
            ck_assert_int_eq(context->operands, 2);
            ck_assert_int_eq(context->operand[0], i);
            contexts += strncmp(lines[context->operand[1]].scope, "encode", 6) == 0;
        }
        logits += decodes && strcmp(l->op, "linear") == 0 && strcmp(l->shape, "[1,5]") == 0;
    }
    ck_assert_int_eq(encoder, S);
    ck_assert_int_eq(decoder, T);
    ck_assert_int_eq(weights, T);
    ck_assert_int_eq(contexts, T);
    ck_assert_int_eq(logits, T);
    ck_assert_str_eq(lines[count - 1].op, "cross_entropy");
    ck_assert_str_eq(lines[count - 1].shape, "[]");
    ck_assert_str_eq(lines[lines[count - 1].operand[0]].shape, "[1,4,5]");
}
END_TEST

/* ---- the sanitizer ---- */

static heed_tape *sanitizing_tape(void)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    ck_assert(!heed_set_sanitizing(t, true));
    return t;
}

static heed_tensor *row(heed_tape *t, double a, double b)
{
    return heed_constant(t, HEED_SHAPE(1, 2), (const double[]){ a, b });
}

static void expect(heed_tape *t, const char *sentence)
{
    ck_assert_ptr_nonnull(heed_error(t));
    ck_assert_str_eq(heed_error(t), sentence);
    heed_tape_free(t);
}

START_TEST(names_the_first_nan)
{
    heed_tape *t = sanitizing_tape();
    heed_scope(t, "decoder");
    heed_scope(t, "attention");
    heed_tensor *y = heed_log(t, row(t, 1, -1));
    ck_assert_ptr_null(y);
    expect(t, "decoder.attention: log: [1,2]: the result holds NaN at [0,1]");
}
END_TEST

START_TEST(names_the_operand_that_had_it)
{
    heed_tape *t = sanitizing_tape();
    heed_add(t, row(t, 1, 2), row(t, NAN, 1));
    expect(t, "add: [1,2] x [1,2]: the result holds NaN at [0,0], and operand 1 does at [0,0]");
}
END_TEST

START_TEST(names_a_new_infinity)
{
    heed_tape *t = sanitizing_tape();
    heed_tensor *masked = heed_masked_fill(
        t, row(t, 1, 2), heed_mask(t, HEED_SHAPE(2), (const bool[]){ true, false }), -INFINITY);
    heed_tensor *p = heed_softmax(t, masked, -1); /* an infinity put there on purpose */
    ck_assert_ptr_nonnull(p);
    heed_exp(t, heed_scale(t, p, 1000));
    expect(t, "exp: [1,2]: the result holds an infinity at [0,1]");
}
END_TEST

/* sqrt'(0) is infinite, and 0 times that NaN. */
START_TEST(looks_at_gradients)
{
    heed_tape *t = sanitizing_tape();
    heed_tensor *x = heed_watch(t, row(t, 4, 0));
    heed_scope(t, "length");
    heed_tensor *y = heed_sqrt(t, x);
    heed_scope_end(t);
    heed_tensor *loss = heed_sum(t, y);
    ck_assert_ptr_nonnull(loss);
    ck_assert(!heed_backward(t, loss));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "length: "));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "in the backward of sqrt, the result holds"));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "[0,1]"));
    heed_tape_free(t);
}
END_TEST

/* Two finite contributions whose sum is not. */
START_TEST(looks_at_sums_of_gradients)
{
    heed_tape *t = sanitizing_tape();
    heed_tensor *x = heed_watch(t, row(t, 1, 1));
    heed_tensor *y = heed_add(t, heed_scale(t, x, 1.5e308), heed_scale(t, x, 1.5e308));
    ck_assert_ptr_null(y); /* the value overflows as well */
    heed_tape_reset(t);
    x = heed_watch(t, row(t, 1e-300, 1e-300));
    heed_tensor *a = heed_scale(t, x, 1.5e308), *b = heed_scale(t, x, 1.6e308);
    heed_tensor *loss = heed_sum(t, heed_add(t, a, b));
    ck_assert_ptr_nonnull(loss);
    ck_assert(!heed_backward(t, loss));
    ck_assert_ptr_nonnull(strstr(heed_error(t), "the result holds an infinity at [0,0]"));
    heed_tape_free(t);
}
END_TEST

START_TEST(off_it_lets_all_pass)
{
    heed_tape *t = heed_tape_new(NULL);
    heed_tensor *y = heed_log(t, row(t, -1, 0));
    ck_assert_ptr_nonnull(y);
    ck_assert(isnan(heed_at(y, 0)));
    ck_assert(isinf(heed_at(y, 1)));
    ck_assert(!heed_set_sanitizing(t, true));
    ck_assert(heed_set_sanitizing(t, false));
    heed_tape_free(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *shown = tcase_create("shown");
    tcase_add_test(shown, shown_as_text);
    tcase_add_test(shown, shown_as_dot);
    tcase_add_test(shown, encoder_and_decoder);
    suite_add_tcase(suite, shown);
    TCase *sanitized = tcase_create("sanitized");
    tcase_add_test(sanitized, names_the_first_nan);
    tcase_add_test(sanitized, names_the_operand_that_had_it);
    tcase_add_test(sanitized, names_a_new_infinity);
    tcase_add_test(sanitized, looks_at_gradients);
    tcase_add_test(sanitized, looks_at_sums_of_gradients);
    tcase_add_test(sanitized, off_it_lets_all_pass);
    suite_add_tcase(suite, sanitized);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
