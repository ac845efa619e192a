/* Two ways to look at attention: as an integral (S1 §8), and as a search that returns what it
 * finds (all of the articles). */
#include "sections.h"
#include "steps.h"

#include <math.h>

enum { MOST = 129 };

/* sum softmax(s(x)) v(x) over a grid of n points. */
static double mean_over(heed_tape *t, int n, const double *scores, const double *values)
{
    return heed_item(t,
                     heed_matmul(t, heed_softmax(t, row(t, n, scores), -1), row(t, n, values)));
}

void show_continuous(page *p, heed_tape *t)
{
    static const int bell_points[] = { 9, 17, 33 }, line_points[] = { 5, 17, 129 };
    double scores[MOST], values[MOST], bell[3], line[3], bell_error[2], line_error[3];
    for (int i = 0; i < 3; i++) {
        int n = bell_points[i];
        for (int k = 0; k < n; k++) {
            double x = -8 + 16. * k / (n - 1);
            scores[k] = -x * x / 2;
            values[k] = x * x;
        }
        bell[i] = mean_over(t, n, scores, values);
        n = line_points[i];
        for (int k = 0; k < n; k++) {
            double x = 2 * (k + .5) / n;
            scores[k] = x;
            values[k] = x * x;
        }
        line[i] = mean_over(t, n, scores, values);
        line_error[i] = fabs(line[i] - 2);
    }
    for (int i = 0; i < 2; i++)
        bell_error[i] = fabs(bell[i] - 1);
    page_show(p,
              (item){ .name = "bell",
                      { "s = -x^2/2, v = x^2 on [-8, 8] with 9, 17, 33 keys (the integral: 1)",
                        "[-8, 8]에서 s = -x^2/2, v = x^2, 키 9, 17, 33개 (적분값 1)" },
                      row(t, 3, bell),
                      .source = "S1 §8",
                      .says = { "attention is about the integral of p(x) v(x)",
                                "어텐션 ≈ ∫ p(x) v(x) dx" },
                      .verdict = RIGHT,
                      .because = { "With p = e^s/∫e^s, softmax over a grid converges to it.",
                                   "p = e^s/∫e^s로 두면, 격자 위의 소프트맥스가 이 값으로 "
                                   "수렴합니다." } });
    page_show(p, (item){ .name = "bell_error",
                         { "off by, with 9 and 17 keys (33: below 1e-13)",
                           "키 9, 17개일 때의 오차 (33개면 1e-13 미만)" },
                         row(t, 2, bell_error) });
    page_require(p, fabs(bell[2] - 1) < 1e-13, "33 keys do not give the integral");
    page_show(p, (item){ .name = "line",
                         { "s = x, v = x^2 on [0, 2], midpoints of 5, 17, 129 cells (the "
                           "integral: 2)",
                           "[0, 2]에서 s = x, v = x^2, 5, 17, 129칸의 중점 (적분값 2)" },
                         row(t, 3, line) });
    page_show(
        p, (item){ .name = "line_error",
                   { "off by: as the square of the spacing", "오차: 간격의 제곱에 비례합니다" },
                   row(t, 3, line_error) });
}

void show_retrieval(page *p, heed_tape *t)
{
    static const double temperatures[] = { 1, .3, .1, .01 };
    heed_tensor *keys = matrix(t, 3, 3, (const double[]){ .9, .1, .2, .2, .9, .3, .1, .4, .9 });
    heed_tensor *values = matrix(t, 3, 2, (const double[]){ 10, 1, 20, 2, 30, 3 });
    heed_tensor *query = matrix(t, 1, 3, (const double[]){ .3, 1, .2 });
    heed_tensor *weights[4], *found[4];
    for (int i = 0; i < 4; i++) {
        steps a = attend(t, query, keys, values, 1 / temperatures[i], NULL);
        weights[i] = a.p;
        found[i] = a.o;
    }
    page_say(
        p,
        (words){
            "Three books: keys are their titles as vectors, values their contents "
            "[10 1], [20 2], [30 3]. The query is nearest to the second title.",
            "책 세 권이 있습니다. 키는 제목 벡터이고, 값은 내용 [10 1], [20 2], [30 3]입니다. "
            "질의는 둘째 제목과 가장 비슷합니다." });
    page_show(p, (item){ .name = "scores",
                         { "scores q . k", "점수 q . k" },
                         heed_matmul(t, query, transpose(t, keys)) });
    page_show(p, (item){ .name = "weights",
                         { "weights softmax(scores/T), T = 1, 0.3, 0.1, 0.01",
                           "가중치 softmax(점수/T), T = 1, 0.3, 0.1, 0.01" },
                         heed_concatenate(t, 4, weights, 0) });
    page_show(p, (item){ .name = "found",
                         { "what is returned: a mean at first, in the end the second "
                           "book itself",
                           "돌려받는 값: 처음에는 평균이고, 마지막에는 둘째 책 그 자체입니다" },
                         heed_concatenate(t, 4, found, 0),
                         .source = "S1 §0",
                         .says = { "attention is a \"soft search engine\"",
                                   "어텐션은 \"소프트 검색 엔진\"" },
                         .verdict = RIGHT });
}
