/* Why scores are divided by sqrt(d_k): S1 §2.1 and §2.2, and the example of S2. */
#include "sections.h"
#include "steps.h"

#include <math.h>

static void two_keys(page *p, heed_tape *t)
{
    heed_tensor *q = matrix(t, 1, 4, (const double[]){ 1, 0, 0, 0 });
    heed_tensor *k = matrix(t, 2, 4, (const double[]){ 1, 0, 0, 0, 0, 1, 0, 0 });
    heed_tensor *dots = heed_matmul(t, q, transpose(t, k));
    page_show(p, (item){ .name = "dots",
                         { "q . k_1, q . k_2", NULL },
                         dots,
                         .source = "S1 §2.1",
                         .says = { "1 and 0", "1과 0" },
                         .verdict = RIGHT,
                         .said = (const double[]){ 1, 0 },
                         .count = 2 });
    page_show(p, (item){ .name = "scaled",
                         { "softmax([1, 0]/sqrt(4))", NULL },
                         heed_softmax(t, heed_scale(t, dots, 1 / sqrt(4)), -1),
                         .source = "S1 §2.1",
                         .says = { "\"after scaling, softmax [0.73, 0.27]\"",
                                   "\"스케일 후 소프트맥스 [0.73, 0.27]\"" },
                         .verdict = WRONG,
                         .because = { "Those are the weights without the scaling:",
                                      "글의 값은 스케일링하지 않은 가중치입니다." },
                         .said = (const double[]){ .73, .27 },
                         .count = 2 });
    page_show(
        p,
        (item){ .name = "unscaled", { "softmax([1, 0])", NULL }, heed_softmax(t, dots, -1) });
}

static void three_keys(page *p, heed_tape *t)
{
    heed_tensor *ends = heed_scale(t, row(t, 2, (const double[]){ 10, -1 }), 1 / sqrt(3));
    page_show(p, (item){ .name = "ends",
                         { "10/sqrt(3), -1/sqrt(3)", NULL },
                         ends,
                         .source = "S2",
                         .says = { "scores 10 and -1 are divided by sqrt(3)",
                                   "내적 10과 -1을 sqrt(3)으로 나눔" },
                         .verdict = NOT_GIVEN,
                         .because = { "The quotients, the vectors and the middle score are in "
                                      "pictures that are lost.",
                                      "나눈 값과 벡터, 가운데 점수는 그림에 있었으나 남아 있지 "
                                      "않습니다." } });
    page_show(p, (item){ .name = "ratio",
                         { "p_1/p_3 = e^(11/sqrt(3)), whatever the middle score",
                           "p_1/p_3 = e^(11/sqrt(3)), 가운데 점수와 무관합니다" },
                         heed_exp(t, one(t, 11 / sqrt(3))) });
    heed_tensor *scores = matrix(t, 3, 3, (const double[]){ 10, 0, -1, 10, 5, -1, 10, 9, -1 });
    page_show(p, (item){ .name = "middle",
                         { "weights for middle scores 0, 5, 9",
                           "가운데 점수가 0, 5, 9일 때의 가중치" },
                         heed_softmax(t, heed_scale(t, scores, 1 / sqrt(3)), -1),
                         .source = "S2",
                         .says = { "the first takes the largest share, the third the smallest",
                                   "첫째가 가장 많은, 셋째가 가장 적은 비율을 차지" },
                         .verdict = RIGHT,
                         .because = { "For every middle score between -1 and 10.",
                                      "가운데 점수가 -1과 10 사이라면 언제나 그렇습니다." } });
}

/* p = softmax([s, 0, 0]): the largest |dp_i/ds_j| is dp_1/ds_1 = p_1 (1 - p_1). */
static void steepness(page *p, heed_tape *t)
{
    static const double s[] = { 1, 10, 30 };
    double largest[3];
    for (int i = 0; i < 3; i++) {
        heed_tensor *scores = heed_watch(t, row(t, 3, (const double[]){ s[i], 0, 0 }));
        heed_tensor *weights = heed_keep(t, heed_softmax(t, scores, -1));
        heed_backward(t, heed_select(t, weights, 0, 0));
        double first = heed_at(weights, 0);
        double others = heed_at(weights, 1) + heed_at(weights, 2);
        largest[i] = first * others;
        page_require(p, fabs(heed_at(heed_gradient(t, scores), 0) - largest[i]) < 1e-15,
                     "dp_1/ds_1 is not p_1 (1 - p_1)");
        heed_tape_reset(t);
    }
    page_show(p,
              (item){ .name = "slope",
                      { "the largest |dp/ds| at scores [s, 0, 0], s = 1, 10, 30",
                        "점수가 [s, 0, 0]이고 s = 1, 10, 30일 때 가장 큰 |dp/ds|" },
                      row(t, 3, largest),
                      .source = "S2",
                      .says = { "large scores make softmax's gradient \"very steep\"",
                                "내적이 커지면 소프트맥스의 \"기울기가 매우 가팔라져\"" },
                      .verdict = WRONG,
                      .because = {
                          "It vanishes, and with it what reaches Q and K. That the weights "
                          "lean to one side is right.",
                          "기울기는 사라지고, Q와 K로 전해지는 신호도 함께 사라집니다. 확률이 "
                          "한쪽으로 치우친다는 말은 맞습니다." } });
}

void show_scaling(page *p, heed_tape *t)
{
    two_keys(p, t);
    three_keys(p, t);
    steepness(p, t);
    heed_tensor *q = row(t, 4, (const double[]){ .3, -.2, .5, .1 });
    heed_tensor *k = row(t, 4, (const double[]){ .4, .6, -.1, .2 });
    heed_tensor *longer = heed_scale(t, q, 10);
    heed_tensor *dots[] = { heed_matmul(t, q, k), heed_matmul(t, longer, k) };
    page_show(p, (item){ .name = "dot",
                         { "q . k and 10 q . k", "q . k와 10 q . k" },
                         heed_stack(t, 2, dots, 0) });
    heed_tensor *unit = heed_l2norm(t, k, -1, 1e-12);
    heed_tensor *near[] = { heed_matmul(t, heed_l2norm(t, q, -1, 1e-12), unit),
                            heed_matmul(t, heed_l2norm(t, longer, -1, 1e-12), unit) };
    page_show(
        p, (item){ .name = "cosine",
                   { "their cosines: q/|q| . k/|k|", "코사인: q/|q| . k/|k|" },
                   heed_stack(t, 2, near, 0),
                   .source = "S1 §11",
                   .says = { "the dot product is a \"variant of cosine similarity\"",
                             "내적은 \"코사인 유사도 변형\"" },
                   .verdict = WRONG,
                   .because = { "Only when q and k are brought to length 1 first, which "
                                "is what QK-norm (S1 §13) does: then the score lies "
                                "in [-1, 1] and no longer depends on their lengths.",
                                "q와 k의 길이를 먼저 1로 맞출 때만 그렇고, 그것이 S1 §13의 "
                                "QK Norm이 하는 일입니다. 그러면 점수는 [-1, 1]에 들고 벡터의 "
                                "길이와 무관해집니다." } });
}
