/* Several heads: the two of S1 §5.3, how they are put together, and how many parameters that
 * takes. */
#include "sections.h"
#include "steps.h"

#include <heed/nn.h>
#include <heed/params.h>

#include <math.h>

static const double wo[] = { 1, .5, -.2, 0, .3, -1, .4, .7, -.6, .2, 1, .1, 0, .8, -.5, .9 };

static void two_heads(page *p, heed_tape *t)
{
    heed_tensor *x = heed_unsqueeze(t, cat_sat_mat(t), 0);
    heed_tensor *halves = heed_split_heads(t, x, 2); /* [1, 2, 3, 2] */
    heed_tensor *weights = heed_attention_weights(t, halves, halves, NULL, NULL);
    heed_tensor *maps = heed_select(t, weights, 0, 0);
    page_show(p, (item){ .name = "p_1",
                         { "head 1: P of X[:, :2], scale 1/sqrt(2)",
                           "헤드 1: X[:, :2]의 P, 스케일은 1/sqrt(2)" },
                         heed_select(t, maps, 0, 0),
                         .source = "S1 §5.3",
                         .says = { "\"attention of each head, concat, times W_O\"",
                                   "\"헤드별 attn, concat, W_O 곱\"" },
                         .verdict = NOT_GIVEN });
    page_show(p, (item){ .name = "p_2",
                         { "head 2: P of X[:, 2:]", "헤드 2: X[:, 2:]의 P" },
                         heed_select(t, maps, 0, 1) });
    heed_tensor *heads = heed_watch(t, heed_attention(t, halves, halves, halves, NULL, NULL));
    heed_keep(t, heads);
    heed_tensor *joined = heed_select(t, heed_join_heads(t, heads), 0, 0);
    page_show(p, (item){ .name = "concat",
                         { "Concat(head_1, head_2); with W_O = I also the result",
                           "Concat(head_1, head_2), W_O = I이면 이것이 곧 결과입니다" },
                         joined });
    heed_tensor *w = matrix(t, 4, 4, wo);
    heed_tensor *y = heed_matmul(t, joined, w);
    page_show(p, (item){ .name = "output",
                         { "Concat(head_1, head_2) W_O, with another W_O",
                           "Concat(head_1, head_2) W_O, W_O를 달리하면" },
                         y });
    heed_tensor *pair[] = { heed_select(t, heads, 0, 0),
                            heed_reshape(t, w, HEED_SHAPE(2, 2, 4)) };
    heed_tensor *summed = heed_einsum(t, "hnd,hde->ne", 2, pair);
    page_show(
        p, (item){ .name = "block_sum", { "head_1 W_O[:2] + head_2 W_O[2:]", NULL }, summed });
    page_require(p, largest_difference(y, summed) < 1e-12,
                 "the sum over heads is not Concat W_O");
    const int axis = 0;
    page_show(
        p,
        (item){ .name = "added",
                { "head_1 + head_2", NULL },
                heed_sum_axes(t, pair[0], 1, &axis, false),
                .source = "S2",
                .says = { "the heads' results are added", "각 결과를 더해서 구성" },
                .verdict = WRONG,
                .because = {
                    "They are put side by side and multiplied by W_O. A sum is only "
                    "the view above, each head with its own rows of W_O; the bare sum "
                    "has 2 columns instead of 4.",
                    "더하는 것이 아니라 이어 붙이고 W_O를 곱합니다. 굳이 합으로 보려면 바로 "
                    "위처럼 헤드마다 W_O의 해당 행들을 곱해서 더해야 합니다. 그냥 더하면 열이 "
                    "4개가 아니라 2개가 됩니다." } });
    heed_tensor *go =
        matrix(t, 3, 4, (const double[]){ 1, -2, .5, .25, 0, 1, -1, .5, .75, 0, 2, -.5 });
    heed_tensor *gjoined = heed_keep(t, heed_matmul(t, go, transpose(t, w)));
    heed_backward(t, heed_sum(t, heed_mul(t, y, go)));
    page_show(p, (item){ .name = "gconcat", { "GO W_O^T", NULL }, gjoined });
    heed_tensor *gheads = heed_select(t, heed_gradient(t, heads), 0, 0);
    page_show(p,
              (item){ .name = "ghead_2",
                      { "dL/dhead_2: its columns 2 and 3",
                        "dL/dhead_2: 위 행렬의 2번과 3번 열 (0부터 셉니다)" },
                      heed_select(t, gheads, 0, 1),
                      .source = "S1 §4.2",
                      .says = { "\"[id_v:(i+1)d_v]\"", "\"[id_v:(i+1)d_v]\"" },
                      .verdict = WRONG,
                      .because = {
                          "A misprint: columns i d_v to (i+1) d_v of the last axis.",
                          "오기입니다. 마지막 축의 i·d_v열부터 (i+1)·d_v열 앞까지입니다." } });
}

static void parallel(page *p, heed_tape *t)
{
    heed_tensor *x = cat_sat_mat(t);
    steps together = attend(t, x, x, x, .5, NULL);
    heed_tensor *rows[3];
    for (int i = 0; i < 3; i++) {
        heed_tensor *query = heed_slice(t, x, 0, i, i + 1, 1);
        rows[i] = attend(t, query, x, x, .5, NULL).o;
    }
    heed_tensor *in_turn = heed_concatenate(t, 3, rows, 0);
    page_show(
        p, (item){ .name = "in_turn",
                   { "O of one head, a query at a time", "헤드 하나로 질의를 하나씩 계산한 O" },
                   in_turn,
                   .source = "S2",
                   .says = { "multi-head attention is what makes it parallel",
                             "병렬 처리는 멀티 헤드 어텐션으로 실현" },
                   .verdict = WRONG,
                   .because = {
                       "One head does all positions in one product Q K^T already: the "
                       "same as O in section [cat]. Heads are one more axis of the batch.",
                       "헤드가 하나여도 Q K^T라는 행렬 곱 한 번으로 모든 위치를 함께 계산하며, "
                       "결과는 [cat] 절의 O와 같습니다. 헤드는 배치 축이 하나 더 늘어난 "
                       "것입니다." } });
    page_require(p, largest_difference(in_turn, together.o) < 1e-15,
                 "queries in turn and together differ");
}

void show_heads(page *p, heed_tape *t)
{
    two_heads(p, t);
    heed_tape_reset(t);
    parallel(p, t);
}

static double multihead_size(page *p, int heads, bool bias)
{
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_multihead_attention m;
    if (ps)
        heed_multihead_attention_init(
            &m, ps, "attention", 512,
            (heed_multihead_attention_options){ .heads = heads, .bias = bias });
    page_require(p, ps && !heed_params_error(ps), "a module could not be made");
    double size = ps ? (double)heed_params_size(ps) : 0;
    heed_params_free(ps);
    return size;
}

/* W_Q, W_K, W_V from 512 to `width`. */
static double projections_size(page *p, int64_t width)
{
    static const char *const names[] = { "q", "k", "v" };
    heed_params *ps = heed_params_new(HEED_F32, NULL);
    heed_linear_module m;
    for (int i = 0; ps && i < 3; i++)
        heed_linear_init(&m, ps, names[i], 512, width, (heed_linear_options){ 0 });
    page_require(p, ps && !heed_params_error(ps), "a module could not be made");
    double size = ps ? (double)heed_params_size(ps) : 0;
    heed_params_free(ps);
    return size;
}

void show_sizes(page *p, heed_tape *t)
{
    page_show(p, (item){ .name = "head",
                         { "512/8, and 8 · 64", "512/8과 8 · 64" },
                         row(t, 2, (const double[]){ 512. / 8, 8 * 64 }),
                         true,
                         .source = "S2",
                         .says = { "a head is 64 wide, and eight make 512 again",
                                   "헤드는 64차원, 8개면 다시 512차원" },
                         .verdict = RIGHT,
                         .said = (const double[]){ 64, 512 },
                         .count = 2 });
    page_show(p, (item){ .name = "product",
                         { "512 · 8", NULL },
                         one(t, 512 * 8),
                         true,
                         .source = "S2",
                         .says = { "\"512 and 8 multiplied make 98,304\"",
                                   "\"512와 8을 곱한 98,304개\"" },
                         .verdict = WRONG,
                         .because = { "98,304 is 3 · 512 · 64, the parameters of W_Q, W_K and "
                                      "W_V of a single head:",
                                      "98,304는 3·512·64, 곧 헤드 하나의 W_Q, W_K, W_V에 든 "
                                      "파라미터 수입니다." },
                         .said = (const double[]){ 98304 },
                         .count = 1 });
    page_show(p, (item){ .name = "one_head",
                         { "W_Q, W_K, W_V of one head, 512 to 64",
                           "헤드 하나의 W_Q, W_K, W_V (512에서 64로)" },
                         one(t, projections_size(p, 64)),
                         true });
    page_show(p, (item){ .name = "all_heads",
                         { "W_Q, W_K, W_V of all eight heads: 3 · 512^2",
                           "헤드 여덟 개 전체의 W_Q, W_K, W_V: 3·512^2" },
                         one(t, projections_size(p, 512)),
                         true });
    static const int heads[] = { 1, 2, 4, 8, 16 };
    double sizes[10];
    for (int i = 0; i < 10; i++)
        sizes[i] = multihead_size(p, heads[i % 5], i >= 5);
    page_show(
        p,
        (item){
            .name = "modules",
            { "a whole module at d_model = 512 with 1, 2, 4, 8, 16 heads; with biases",
              "d_model = 512인 모듈 전체: 헤드 1, 2, 4, 8, 16개일 때, 아래는 편향 포함" },
            matrix(t, 2, 5, sizes),
            true,
            .source = "S1 §4.3",
            .says = { "parameters grow h times", "파라미터 ↑(h배)" },
            .verdict = WRONG,
            .because = { "With d_k = d_model/h, as S1 §4.1 has it, it is 4 "
                         "d_model^2 for every h.",
                         "S1 §4.1처럼 d_k = d_model/h이면 h와 무관하게 4·d_model^2입니다." } });
    page_show(p,
              (item){ .name = "tuning",
                      { "d_model of h = 8 and 16 heads of d_k = 64",
                        "d_k = 64인 헤드가 8개, 16개일 때의 d_model" },
                      row(t, 2, (const double[]){ 8 * 64, 16 * 64 }),
                      true,
                      .source = "S1 §13",
                      .says = { "h = 8 to 16, d_k = 64", "h=8~16, d_k=64" },
                      .verdict = RIGHT,
                      .because = {
                          "The base and big models of \"Attention Is All You "
                          "Need\" have these widths.",
                          "\"Attention Is All You Need\"의 base와 big 모델이 이 폭입니다." } });
}
