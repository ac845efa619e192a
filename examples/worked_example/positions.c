/* Positions: the sinusoidal encoding of S1 §7.2 and S2, why it must come first, and the
 * rotation that S1 §13 names. */
#include "sections.h"
#include "steps.h"

#include <heed/nn.h>

#include <math.h>

void show_positions(page *p, heed_tape *t)
{
    page_show(p, (item){ .name = "table",
                         { "PE(0) to PE(3), d = 4", "PE(0)부터 PE(3)까지, d = 4" },
                         heed_sinusoidal_positions(t, 0, 4, 4),
                         .source = "S2",
                         .says = { "sines in even dimensions, cosines in odd ones",
                                   "짝수 차원은 사인, 홀수 차원은 코사인" },
                         .verdict = RIGHT });
    double naive[4];
    for (int j = 0; j < 4; j++)
        naive[j] = sin(1 / pow(10000, 2. * j / 4));
    page_show(p, (item){ .name = "naive",
                         { "sin(1/10000^(2j/d)) for j = 0 .. 3",
                           "j = 0, 1, 2, 3일 때 sin(1/10000^(2j/d))" },
                         row(t, 4, naive),
                         .source = "S1 §7.2",
                         .says = { "PE_i^j = sin(i/10000^(2j/d)) or cos",
                                   "PE_i^j = sin(i/10000^(2j/d)) or cos" },
                         .verdict = WRONG,
                         .because = {
                             "The j of the formula counts pairs: the exponent is 2 "
                             "floor(j/2)/d, so that the divisors are 1, 1, 100, 100 and "
                             "not 1, 100, 10^4, 10^6.",
                             "식의 j는 쌍의 번호입니다. 지수는 2·floor(j/2)/d이고, 나누는 수는 "
                             "1, 100, 10^4, 10^6이 아니라 1, 1, 100, 100입니다." } });
    heed_tensor *places[] = { heed_sinusoidal_positions(t, 0, 1, 4),
                              heed_sinusoidal_positions(t, 1, 1, 4),
                              heed_sinusoidal_positions(t, 1000000, 1, 4) };
    heed_tensor *stacked = heed_concatenate(t, 3, places, 0);
    const int last = -1;
    page_show(p,
              (item){ .name = "length",
                      { "|PE|^2 at positions 0, 1, 1000000", "위치 0, 1, 1000000에서 |PE|^2" },
                      heed_sum_axes(t, heed_square(t, stacked), 1, &last, false),
                      .source = "S2",
                      .says = { "any length has its positions",
                                "무한한 길이도 위치를 알아낼 수 있음" },
                      .verdict = RIGHT,
                      .because = { "The length is sqrt(d/2) everywhere; only the "
                                   "direction turns.",
                                   "길이는 어디서나 sqrt(d/2)이고 방향만 돌아갑니다." } });
}

/* Self-attention of three tokens, and of the same tokens with the first two exchanged. */
void show_order(page *p, heed_tape *t)
{
    heed_tensor *x =
        matrix(t, 3, 4, (const double[]){ 1, 0, .5, -1, 0, 2, -.5, 1, 1, 1, 0, .5 });
    heed_tensor *swapped =
        heed_index_select(t, x, heed_ids(t, HEED_SHAPE(3), (const int32_t[]){ 1, 0, 2 }), 0);
    heed_tensor *pe = heed_sinusoidal_positions(t, 0, 3, 4);
    heed_tensor *placed = heed_add(t, x, pe), *swapped_placed = heed_add(t, swapped, pe);
    heed_tensor *o = attend(t, x, x, x, .5, NULL).o;
    heed_tensor *o_swapped = attend(t, swapped, swapped, swapped, .5, NULL).o;
    page_show(p, (item){ .name = "plain",
                         { "O of a b c, without positions", "위치 정보 없이 계산한 a b c의 O" },
                         o });
    page_show(p, (item){ .name = "plain_swapped",
                         { "O of b a c: the same rows in the other order",
                           "b a c의 O: 같은 행이 순서만 바뀝니다" },
                         o_swapped,
                         .source = "S1 §3.3",
                         .says = { "self-attention ignores order", "순서 무시(포지셔널 필요)" },
                         .verdict = RIGHT });
    page_show(p, (item){ .name = "placed",
                         { "O of a b c, with PE added to the embeddings",
                           "임베딩에 PE를 더한 a b c의 O" },
                         attend(t, placed, placed, placed, .5, NULL).o });
    page_show(
        p,
        (item){ .name = "placed_swapped",
                { "O of b a c: other rows", "b a c의 O: 행의 값이 달라집니다" },
                attend(t, swapped_placed, swapped_placed, swapped_placed, .5, NULL).o,
                .source = "S2",
                .says = { "positions come after multi-head attention, before the feed-forward",
                          "멀티 헤드 어텐션과 위치 인코딩을 거친 뒤 FFN" },
                .verdict = WRONG,
                .because = {
                    "They are added before the first attention. Added behind it, they "
                    "could not change its weights, which know no order.",
                    "첫 어텐션보다 앞에서 임베딩에 더합니다. 어텐션 뒤에 더하면 순서를 모르는 "
                    "그 가중치를 바꿀 수 없습니다." } });
    page_require(
        p, largest_difference(heed_select(t, o, 0, 0), heed_select(t, o_swapped, 0, 1)) < 1e-14,
        "self-attention knows the order");
}

static heed_tensor *rotated(heed_tape *t, const double *x, int64_t place, heed_rope_pairs pairs)
{
    const heed_rope_options options = { .pairs = pairs, .offset = place };
    return heed_select(t, heed_rope(t, matrix(t, 1, 4, x), &options), 0, 0);
}

void show_rotary(page *p, heed_tape *t)
{
    static const double x[] = { .12, -.87, .33, .55 };
    static const double q[] = { .3, -.2, .5, .1 }, k[] = { .4, .6, -.1, .2 };
    static const int64_t places[3][2] = { { 3, 1 }, { 7, 5 }, { 102, 100 } };
    page_show(p, (item){ .name = "adjacent",
                         { "[0.12 -0.87 0.33 0.55] at position 1, adjacent pairs",
                           "위치 1의 [0.12 -0.87 0.33 0.55], 이웃한 원소끼리 쌍" },
                         rotated(t, x, 1, HEED_ROPE_ADJACENT),
                         .source = "S1 §13",
                         .says = { "\"RoPE (rotary positions)\"", "\"RoPE (회전 위치)\"" },
                         .verdict = NOT_GIVEN,
                         .because = { "Files differ in which elements make a pair:",
                                      "어떤 원소끼리 쌍을 이루는지는 구현마다 다릅니다." } });
    page_show(p, (item){ .name = "halves",
                         { "the same, pairs across the halves", "앞뒤 절반끼리 쌍" },
                         rotated(t, x, 1, HEED_ROPE_HALVES) });
    heed_tensor *dots[3];
    for (int i = 0; i < 3; i++) {
        heed_tensor *turned_q = rotated(t, q, places[i][0], HEED_ROPE_ADJACENT);
        heed_tensor *turned_k = rotated(t, k, places[i][1], HEED_ROPE_ADJACENT);
        dots[i] = heed_matmul(t, turned_q, turned_k);
    }
    page_show(p, (item){ .name = "relative",
                         { "q . k at positions (3, 1), (7, 5), (102, 100): only the distance "
                           "counts",
                           "위치 (3, 1), (7, 5), (102, 100)의 q . k: 거리만 영향을 줍니다" },
                         heed_stack(t, 3, dots, 0) });
}
