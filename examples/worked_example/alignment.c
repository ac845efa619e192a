/* The alignment scores of S3: dot, general and concat, by the library's module. */
#include "sections.h"
#include "steps.h"

#include <heed/align.h>

static const double s[] = { .7, -.1 };
static const double h[] = { .1, .2, -.3, .4, .5, -.6 };
static const double general[] = { .2, -.5, .3, .1 };
static const double concat[] = { .1, -.2, .3, .4, .5, .6, -.7, .8 };
static const double energy[] = { .9, -.4 };

typedef struct kind {
    heed_align_score score;
    const char *scores, *weights, *context;
    words what;
} kind;

static void set(heed_params *ps, const heed_parameter *weight, int64_t count,
                const double *values)
{
    if (weight)
        heed_params_set(ps, weight->name, count, values);
}

/* The scores of one kind, and what the library's module makes of them. */
static void align(page *p, heed_tape *t, heed_params *ps, const kind *k, heed_tensor *scores)
{
    heed_align m;
    heed_align_init(&m, ps, k->scores, 2, 2, (heed_align_options){ .score = k->score });
    if (k->score == HEED_ALIGN_GENERAL)
        set(ps, m.general.weight, 4, general);
    if (k->score == HEED_ALIGN_CONCAT) {
        set(ps, m.concat.weight, 8, concat);
        set(ps, m.energy.weight, 2, energy);
    }
    page_require(p, !heed_params_error(ps), "an alignment module could not be set up");
    heed_tensor *keys = heed_constant(t, HEED_SHAPE(1, 3, 2), h);
    heed_aligned a = heed_align_forward(t, &m, matrix(t, 1, 2, s), keys, NULL, NULL);
    page_show(p, (item){ .name = k->scores, k->what, scores });
    heed_tensor *weights = heed_softmax(t, scores, -1);
    page_require(p, largest_difference(a.weights, weights) < 1e-14,
                 "the module's weights differ from the formula's");
    page_show(p, (item){ .name = k->weights, { "weights", "가중치" }, weights });
    page_show(p, (item){ .name = k->context, { "context", "컨텍스트 벡터" }, a.context });
}

void show_alignment(page *p, heed_tape *t)
{
    static const kind kinds[] = {
        { HEED_ALIGN_DOT, "dot", "dot_weights", "dot_context", { "dot: s . h_j", NULL } },
        { HEED_ALIGN_GENERAL,
          "general",
          "general_weights",
          "general_context",
          { "general: s W h_j", NULL } },
        { HEED_ALIGN_CONCAT,
          "concat",
          "concat_weights",
          "concat_context",
          { "concat: v . tanh(W [s; h_j])", NULL } },
    };
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    if (!ps) {
        page_require(p, false, "not enough memory");
        return;
    }
    heed_tensor *query = row(t, 2, s), *keys = matrix(t, 3, 2, h);
    heed_tensor *spread = heed_expand(t, query, HEED_SHAPE(3, 2));
    heed_tensor *joined = heed_concatenate(t, 2, (heed_tensor *[]){ spread, keys }, 1);
    heed_tensor *hidden = heed_tanh(t, heed_linear(t, joined, matrix(t, 2, 4, concat), NULL));
    heed_tensor *scores[] = {
        heed_matmul(t, keys, query),
        heed_matmul(t, keys, heed_matmul(t, query, matrix(t, 2, 2, general))),
        heed_matmul(t, hidden, row(t, 2, energy)),
    };
    page_say(p, (words){ "s = [0.7 -0.1]; h_1, h_2, h_3 = [0.1 0.2], [-0.3 0.4], [0.5 -0.6] "
                         "(Luong et al. 2015)",
                         "s = [0.7 -0.1], h_1, h_2, h_3 = [0.1 0.2], [-0.3 0.4], [0.5 -0.6] "
                         "(Luong 외 2015)" });
    double sizes[3];
    for (int i = 0; i < 3; i++) {
        int64_t before = heed_params_size(ps);
        align(p, t, ps, &kinds[i], scores[i]);
        sizes[i] = (double)(heed_params_size(ps) - before);
    }
    page_show(
        p, (item){ .name = "parameters",
                   { "parameters of the three", "세 방식의 파라미터 수" },
                   row(t, 3, sizes),
                   true,
                   .source = "S3",
                   .says = { "dot has none to learn", "dot에는 학습 가능한 파라미터가 없음" },
                   .verdict = RIGHT,
                   .said = (const double[]){ 0 },
                   .count = 1 });
    heed_tensor *four = matrix(t, 4, 2, (const double[]){ .1, .2, -.3, .4, .5, -.6, .9, .1 });
    page_show(p,
              (item){ .name = "four",
                      { "weights of four time steps", "네 타임스텝의 가중치" },
                      heed_softmax(t, heed_matmul(t, four, query), -1),
                      .source = "S3",
                      .says = { "four words give four scores, which softmax makes add up to 1",
                                "4개의 스코어가 Softmax를 거쳐 합이 1인 벡터로 변환" },
                      .verdict = RIGHT });
    heed_params_free(ps);
}
