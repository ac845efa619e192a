/* What random scores do to a softmax: the variance of dot products (S1 §2.2), and weights drawn
 * from N(0, 1) as S1 §10 does, against Xavier's as S1 §9 advises. All draws are counter-based,
 * so that anyone gets the same. */
#include "sections.h"
#include "steps.h"

#include <math.h>

enum { TOKENS = 16, WIDTH = 512, HEAD = 64 };

static heed_tensor *drawn(heed_tape *t, int m, int n, double deviation, heed_random *r)
{
    heed_tensor *x = heed_full(t, HEED_SHAPE(m, n), 0);
    /* Fresh and read by nobody yet, so it may be filled in place. */
    for (int64_t i = 0; x && i < (int64_t)m * n; i++)
        ((double *)x->data)[i] = deviation * heed_random_normal(r);
    return x;
}

static double mean_entropy(heed_tape *t, heed_tensor *scores)
{
    return heed_item(t, heed_mean(t, heed_entropy(t, heed_softmax(t, scores, -1), -1)));
}

static void variances(page *p, heed_tape *t)
{
    static const int widths[] = { 4, 64, 512 };
    double variance[6], entropy[6];
    for (int i = 0; i < 3; i++) {
        heed_random r = { .seed = 1, .stream = (uint64_t)i };
        heed_tensor *q = drawn(t, HEAD, widths[i], 1, &r);
        heed_tensor *k = drawn(t, HEAD, widths[i], 1, &r);
        heed_tensor *dots = heed_matmul(t, q, transpose(t, k));
        heed_tensor *scaled = heed_scale(t, dots, 1 / sqrt(widths[i]));
        variance[2 * i] = heed_item(t, heed_variance(t, dots));
        variance[2 * i + 1] = heed_item(t, heed_variance(t, scaled));
        entropy[2 * i] = mean_entropy(t, dots);
        entropy[2 * i + 1] = mean_entropy(t, scaled);
    }
    page_say(
        p,
        (words){ "64 queries and 64 keys drawn from N(0, 1); rows: d_k = 4, 64, 512; "
                 "columns: without and with the division by sqrt(d_k)",
                 "N(0, 1)에서 뽑은 질의 64개와 키 64개입니다. 행은 d_k = 4, 64, 512이고, 열은 "
                 "차례로 sqrt(d_k)로 나누기 전과 나눈 뒤입니다." });
    page_show(p, (item){ .name = "variance",
                         { "variance of the scores", "점수의 분산" },
                         matrix(t, 3, 2, variance),
                         .source = "S1 §2.2",
                         .says = { "the variance is d_k, and 1 after the division",
                                   "분산은 d_k, 나누면 1" },
                         .verdict = RIGHT });
    page_show(p,
              (item){ .name = "entropy",
                      { "mean entropy of the weights (ln 64 = 4.1589 when all are equal)",
                        "가중치의 평균 엔트로피 (모두 같으면 ln 64 = 4.1589)" },
                      matrix(t, 3, 2, entropy),
                      .source = "S1 §2.2",
                      .says = { "without it the output saturates", "나누지 않으면 출력 포화" },
                      .verdict = RIGHT });
}

void show_saturation(page *p, heed_tape *t)
{
    variances(p, t);
    double entropy[2];
    for (int i = 0; i < 2; i++) {
        heed_random r = { .seed = 2 };
        double deviation = i == 0 ? 1 : sqrt(2. / (WIDTH + HEAD));
        heed_tensor *x = drawn(t, TOKENS, WIDTH, 1, &r);
        heed_tensor *wq = drawn(t, WIDTH, HEAD, deviation, &r);
        heed_tensor *wk = drawn(t, WIDTH, HEAD, deviation, &r);
        heed_tensor *q = heed_matmul(t, x, wq), *k = heed_matmul(t, x, wk);
        steps a = attend(t, q, k, k, 1 / sqrt(HEAD), NULL);
        entropy[i] = heed_item(t, heed_mean(t, heed_entropy(t, a.p, -1)));
    }
    page_show(
        p,
        (item){
            .name = "initial",
            { "mean entropy with weights of N(0, 1), and with Xavier's (d_model = 512, "
              "d_k = 64, 16 tokens)",
              "N(0, 1) 가중치와 Xavier 가중치의 평균 엔트로피 (d_model = 512, d_k = 64, 토큰 "
              "16개)" },
            row(t, 2, entropy),
            .source = "S1 §10",
            .says = { "np.random.randn, though §9 advises Xavier or He",
                      "§9는 Xavier/He를 권하지만 코드는 np.random.randn" },
            .verdict = WRONG,
            .because = {
                "With N(0, 1) every row of weights starts out as a single 1, and hardly any "
                "gradient passes through it. Xavier's rows start well spread, out of "
                "ln 16 = 2.7726 at most.",
                "N(0, 1)로 시작하면 가중치의 각 행이 처음부터 원-핫에 가까워 그래디언트가 "
                "거의 지나가지 못합니다. Xavier로 시작하면 최댓값 ln 16 = 2.7726에 견주어 "
                "충분히 퍼져 있습니다." } });
}
