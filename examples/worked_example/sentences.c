/* What the articles say wrongly without a number to compute. */
#include "sections.h"

void show_sentences(page *p, heed_tape *t)
{
    (void)t;
    static const item items[] = {
        { "more_heads",
          { "Heads and quality", "헤드 수와 성능" },
          .source = "S1 §4.4",
          .says = { "more heads, more performance", "\"h 증가로 성능 ↑\"" },
          .because = { "Not always: at a fixed d_model more heads are narrower ones, and "
                       "beyond "
                       "some number results get worse. Measure it on the task.",
                       "늘 그렇지는 않습니다. d_model이 같으면 헤드가 많을수록 헤드 하나의 "
                       "차원이 "
                       "작아져, 어느 수를 넘으면 성능이 떨어집니다. 실제 과제에서 재어 보아야 "
                       "합니다." } },
        { "backward_place",
          { "Where backpropagation starts", "역전파의 출발점" },
          .source = "S2",
          .says = { "with the values computed so far (in the encoder) we run backpropagation",
                    "(인코더까지) \"위에서 구한 값을 통해 역전파를 진행한다\"" },
          .because = { "The loss is computed from the decoder's distribution, as the same "
                       "article says earlier; gradients reach the encoder through "
                       "cross-attention.",
                       "손실은 같은 글의 앞부분에서 말한 대로 디코더의 확률 분포에서 "
                       "계산합니다. "
                       "그래디언트는 교차 어텐션을 거쳐 인코더에 이릅니다." } },
        { "sources",
          { "Where Q, K and V come from", "Q, K, V의 출처" },
          .source = "S2",
          .says = { "plain attention makes each of Q, K, V from outside data",
                    "\"그냥 Attention은 외부 데이터에서 Q, K, V를 각각 생성한다\"" },
          .because = { "In cross-attention Q comes from one side and K and V from the other, "
                       "as "
                       "the article says of its decoder.",
                       "교차 어텐션에서 Q는 한쪽에서, K와 V는 다른 쪽에서 나옵니다. 글도 "
                       "디코더를 "
                       "설명할 때는 그렇게 말합니다." } },
        { "first_encoder",
          { "The first attention's encoder", "최초의 어텐션이 쓴 인코더" },
          .source = "S4",
          .says = { "a bidirectional LSTM",
                    "\"최초의 어텐션 메커니즘은 양방향 LSTM을 사용하였습니다\"" },
          .because = { "Bahdanau, Cho and Bengio (2015) use a bidirectional network of gated "
                       "units, the later GRU. heed has both.",
                       "Bahdanau, Cho, Bengio(2015)는 뒤에 GRU라 불리게 된 게이트 유닛의 "
                       "양방향 "
                       "신경망을 썼습니다. heed에는 둘 다 있습니다." } },
        { "result",
          { "What Attention(Q, K, V) returns", "Attention(Q, K, V)의 결과" },
          .source = "S4",
          .says = { "it computes the attention scores",
                    "\"어텐션 점수(attention score)를 계산합니다\"" },
          .because = { "It returns the weighted mean of the values. Scores are Q "
                       "K^T/sqrt(d_k), "
                       "inside.",
                       "결과는 값 벡터의 가중 평균입니다. 점수는 그 안의 Q "
                       "K^T/sqrt(d_k)입니다." } },
        { "coreference",
          { "The sentence for \"그것\"", "\"그것\"의 예문" },
          .source = "S0",
          .says = { "the animal did not cross because it was tired; for it was worn out",
                    "\"그 동물은 피곤해서 길을 건너지 않았다. 왜냐하면 그것은 지쳤기 "
                    "때문이다.\"" },
          .because = { "The reason repeats what is said already. S1 §3.1 has the usual "
                       "example: "
                       "\"The animal didn't cross the street because it was too tired.\"",
                       "이유가 앞의 말을 되풀이합니다. 널리 쓰이는 예문은 S1 §3.1의 \"The "
                       "animal "
                       "didn't cross the street because it was too tired.\"입니다." } },
    };
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        item wrong = items[i];
        wrong.verdict = WRONG;
        page_show(p, wrong);
    }
}
