/* The NumPy code of S1 §10, line by line where it does not do what it is meant to. */
#include "sections.h"
#include "steps.h"

#include <heed/nn.h>
#include <heed/params.h>

#include <math.h>
#include <stdio.h>

static const double q[] = { .2, -.4, .7, 1.1, .3, -.5, .6, -.2, .1 };
static const double k[] = { .5, .1, -.3, -.2, .8, .4, .9, -.6, .2 };

static void transposed(page *p, heed_tape *t)
{
    heed_tensor *queries = matrix(t, 3, 3, q), *keys = matrix(t, 3, 3, k);
    page_show(p, (item){ .name = "scores",
                         { "Q K^T/sqrt(3), with d_k = N = 3", "Q K^T/sqrt(3) (d_k = N = 3)" },
                         attend(t, queries, keys, keys, 1 / sqrt(3), NULL).s });
    page_show(
        p,
        (item){ .name = "scores_numpy",
                { "Q K.transpose(-2, -1)/sqrt(3), as NumPy computes it",
                  "NumPy가 계산하는 Q K.transpose(-2, -1)/sqrt(3)" },
                heed_scale(t, heed_matmul(t, queries, keys), 1 / sqrt(3)),
                .source = "S1 §10",
                .says = { "K.transpose(-2, -1)", "K.transpose(-2, -1)" },
                .verdict = WRONG,
                .because = {
                    "NumPy's transpose takes the whole new order of axes, and for "
                    "a matrix (-2, -1) is the old one: nothing is transposed. It "
                    "needs swapaxes(-1, -2). PyTorch's transpose would do. On "
                    "np.eye(3), the test in the comment, both are the same.",
                    "NumPy의 transpose는 축의 새 순서 전체를 받으므로, 행렬에서 (-2, -1)은 "
                    "원래 순서 그대로여서 전치가 일어나지 않습니다. swapaxes(-1, -2)를 써야 "
                    "합니다. PyTorch의 transpose라면 맞습니다. 주석의 테스트 np.eye(3)에서는 "
                    "두 결과가 같습니다." } });
    heed_matmul(t, matrix(t, 2, 3, q), matrix(t, 2, 3, k));
    char sentence[320];
    const char *error = heed_error(t);
    snprintf(sentence, sizeof sentence, "%s", error ? error : "");
    page_require(p, error != NULL, "a product without the transpose was taken");
    heed_tape_reset(t);
    char english[640], korean[640];
    snprintf(english, sizeof english,
             "Where d_k is not N, heed refuses such a product: \"%s\".", sentence);
    snprintf(korean, sizeof korean, "d_k가 N과 다르면 heed는 이런 곱을 거부합니다: \"%s\"",
             sentence);
    page_say(p, (words){ english, korean });
}

static void tied(page *p, heed_tape *t)
{
    heed_tensor *x = matrix(t, 3, 2, (const double[]){ 1, .5, -.5, 2, 3, -1 });
    heed_tensor *w = matrix(t, 2, 2, (const double[]){ .3, -.7, 1.1, .4 });
    heed_tensor *other = matrix(t, 2, 2, (const double[]){ -.2, .9, .5, .6 });
    heed_tensor *xq = heed_matmul(t, x, w), *xk = heed_matmul(t, x, other);
    heed_tensor *same = attend(t, xq, xq, xq, 1 / sqrt(2), NULL).s;
    page_show(
        p, (item){
               .name = "tied",
               { "S with W_Q = W_K", "W_Q = W_K일 때의 S" },
               same,
               .source = "S1 §10",
               .says = { "\"W_Q = W_K = W_V = np.random.randn(...)\" in each call",
                         "호출할 때마다 \"W_Q = W_K = W_V = np.random.randn(...)\"" },
               .verdict = WRONG,
               .because = { "One matrix under three names makes S symmetric: \"it\" "
                            "could look at \"cat\" only as much as \"cat\" at \"it\". "
                            "Drawn anew in each call, it cannot be trained either.",
                            "이름만 셋이고 행렬은 하나라서 S가 대칭이 됩니다. \"it\"이 "
                            "\"cat\"을 보는 점수와 \"cat\"이 \"it\"을 보는 점수가 늘 같습니다. "
                            "게다가 호출할 때마다 새로 뽑으므로 학습할 수도 없습니다." } });
    page_require(p, largest_difference(same, transpose(t, same)) == 0, "S is not symmetric");
    page_show(p, (item){ .name = "untied",
                         { "S with a W_K of its own", "W_K가 따로 있을 때의 S" },
                         attend(t, xq, xk, xk, 1 / sqrt(2), NULL).s });
}

static void divisible(page *p)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    heed_multihead_attention m;
    if (ps)
        heed_multihead_attention_init(&m, ps, "attention", 3,
                                      (heed_multihead_attention_options){ .heads = 2 });
    const char *error = ps ? heed_params_error(ps) : NULL;
    page_require(p, error != NULL, "3 were divided among 2 heads");
    char english[500], korean[500];
    snprintf(english, sizeof english,
             "3 // 2 is 1, and one dimension is silently lost. heed refuses: \"%s\".",
             error ? error : "");
    snprintf(korean, sizeof korean,
             "3 // 2는 1이라서 한 차원이 경고 없이 사라집니다. heed는 거부합니다: \"%s\"",
             error ? error : "");
    page_show(p, (item){ .name = "division",
                         { "d_model = 3, h = 2", NULL },
                         .source = "S1 §10",
                         .says = { "\"d_k = d_model // h\", unchecked",
                                   "검사 없이 \"d_k = d_model // h\"" },
                         .verdict = WRONG,
                         .because = { english, korean } });
    heed_params_free(ps);
}

void show_code(page *p, heed_tape *t)
{
    page_show(p, (item){ .name = "stable",
                         { "softmax([10000, 9999, 0])", NULL },
                         heed_softmax(t, row(t, 3, (const double[]){ 10000, 9999, 0 }), -1),
                         .source = "S1 §10",
                         .says = { "the maximum is subtracted first", "먼저 최댓값을 뺌" },
                         .verdict = RIGHT,
                         .because = { "Without that, e^10000 would be infinite.",
                                      "빼지 않으면 e^10000이 무한대가 됩니다." } });
    transposed(p, t);
    tied(p, t);
    divisible(p);
    heed_tensor *x = matrix(t, 3, 3, (const double[]){ 1, 0, 0, 0, 1, 0, 0, 0, 1 });
    page_show(p, (item){ .name = "eye",
                         { "P of X = np.eye(3), scale 1/sqrt(3)",
                           "X = np.eye(3)의 P, 스케일은 1/sqrt(3)" },
                         attend(t, x, x, x, 1 / sqrt(3), NULL).p,
                         .source = "S1 §10",
                         .says = { "\"np.eye(3)[:, :3] # N=3, d=3\"",
                                   "\"np.eye(3)[:, :3] # N=3, d=3\"" },
                         .verdict = NOT_GIVEN,
                         .because = { "§5 has the same words in four dimensions: another "
                                      "example, with another scale.",
                                      "§5에서는 같은 단어들이 4차원이므로 스케일도 다른 별개의 "
                                      "예제입니다." } });
}
