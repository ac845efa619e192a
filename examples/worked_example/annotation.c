/* The sentence of S4, "the cat sat on the mat", read by a bidirectional LSTM: what each word
 * itself is, and what it is in the sentence. */
#include "sections.h"
#include "steps.h"

#include <heed/recurrent.h>

enum { WORDS = 6, WIDTH = 2, UNITS = 2 };

/* Fixed numbers instead of drawn ones, between -0.7 and 0.7. */
static void fill(heed_params *ps)
{
    double values[64];
    for (int i = 0; i < heed_params_count(ps); i++) {
        const heed_parameter *weight = heed_params_at(ps, i);
        for (int64_t k = 0; k < weight->size; k++)
            values[k] = (double)((k * 7 + i * 5) % 15 - 7) / 10;
        heed_params_set(ps, weight->name, weight->size, values);
    }
}

static heed_tensor *sentence(heed_tape *t)
{
    /* the, cat, sat, on, mat */
    heed_tensor *table =
        matrix(t, 5, WIDTH, (const double[]){ .5, -.2, 1, .3, -.4, .8, .1, .1, .9, -.6 });
    const int32_t ids[WORDS] = { 0, 1, 2, 3, 0, 4 };
    return heed_embedding(t, table, heed_ids(t, HEED_SHAPE(WORDS), ids));
}

void show_annotation(page *p, heed_tape *t)
{
    heed_params *ps = heed_params_new(HEED_F64, NULL);
    if (!ps) {
        page_require(p, false, "not enough memory");
        return;
    }
    heed_recurrent lstm;
    heed_recurrent_init(&lstm, ps, "encoder", WIDTH,
                        (heed_recurrent_options){ .kind = HEED_LSTM,
                                                  .hidden = UNITS,
                                                  .layers = 1,
                                                  .bidirectional = true,
                                                  .bias = true });
    fill(ps);
    page_require(p, !heed_params_error(ps), "the LSTM could not be made");
    heed_tensor *words_in = sentence(t);
    heed_recurrent_result read =
        heed_recurrent_forward(t, &lstm, heed_unsqueeze(t, words_in, 0), NULL, NULL);
    heed_tensor *annotations = heed_select(t, read.output, 0, 0);
    page_show(p, (item){ .name = "embeddings",
                         { "word embeddings of the cat sat on the mat [6, 2]",
                           "the cat sat on the mat의 단어 임베딩 [6, 2]" },
                         words_in });
    page_show(
        p, (item){
               .name = "annotations",
               { "annotations: 2 forward units beside 2 backward ones [6, 4]",
                 "annotation: 순방향 2개와 역방향 2개를 이어 붙임 [6, 4]" },
               annotations,
               .source = "S4",
               .says = { "the two directions' vectors are concatenated; an annotation is not "
                         "the word's own embedding",
                         "두 방향의 벡터를 연결하며, annotation은 단어 임베딩과 구분됨" },
               .verdict = RIGHT,
               .because = { "Both \"the\" have one embedding (rows 1 and 5) and two "
                            "annotations.",
                            "두 \"the\"는 임베딩(1행과 5행)이 같고 annotation은 다릅니다." } });
    heed_tensor *last = heed_select(t, annotations, 0, WORDS - 1);
    page_show(p,
              (item){ .name = "last",
                      { "the last forward state [2]", "마지막 순방향 은닉 상태 [2]" },
                      heed_slice(t, last, 0, 0, UNITS, 1),
                      .source = "S3",
                      .says = { "without attention only the last state is passed on",
                                "(어텐션이 없으면) 마지막 시점의 hidden state만 전달" },
                      .verdict = RIGHT,
                      .because = {
                          "2 numbers for six words; with attention the decoder sees "
                          "all 24 above.",
                          "단어 여섯 개가 숫자 2개로 줄어듭니다. 어텐션이 있으면 디코더는 위의 "
                          "24개를 모두 봅니다." } });
    heed_params_free(ps);
}
