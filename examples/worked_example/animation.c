/* The walk-through of thanks.h as an SVG image that moves: the encoder reads three words, and
 * twice the decoder asks, scores, weighs, sums up and speaks. Every part of it appears at its
 * time of one clock, which starts over at the end; without a clock (in print) the first step is
 * what stands there. */
#include "thanks.h"

#include "folder.h"
#include "text.h"

static const double start = 3, phase = 2, rest = 1.5; /* seconds */
enum { PHASES = 5, WIDTH = 860, HEIGHT = 500 };
enum { ASK, SCORE, WEIGH, SUM_UP, SPEAK };

typedef struct film {
    heed__text svg;
    bool korean;
    int step; /* the one that is being drawn */
} film;

static const int column[THANKS_STATES] = { 230, 450, 670 };
static const char *const source[THANKS_STATES] = { "Thank", "you", "&lt;EOS&gt;" };
static const char *const state_name[THANKS_STATES] = { "thank", "you", "eos" };
static const char *const word[THANKS_WORDS] = { "고마워", "안녕", "&lt;EOS&gt;" };
static const char *const caption[2][PHASES] = {
    { "Query: which of the words matter now?", "Scores: the query's dot products with the keys",
      "Weights: softmax makes shares of the scores that add up to 1",
      "Context: the sum of the values, by weight", "Word: from context and state together" },
    { "질의(Query): 지금 어느 단어가 중요할까요?", "점수: 질의와 각 키(Key)의 내적",
      "가중치: 소프트맥스가 점수를 합이 1인 비율로 바꿉니다",
      "컨텍스트 벡터: 값(Value)을 가중치로 더합니다",
      "단어: 컨텍스트 벡터와 은닉 상태를 결합해 예측합니다" },
};

static double length(void)
{
    return start + THANKS_STEPS * (PHASES * phase + rest);
}

/* ---- the clock ---- */

/* Opens a group that is there from `from` to `to` seconds; at rest it is seen or not. */
static void appear(film *f, double from, double to, bool at_rest)
{
    const double total = length(), fade = .4;
    double last = to < total - .2 ? to : total - .2;
    heed__text_print(&f->svg,
                     "<g opacity=\"%d\"><animate attributeName=\"opacity\" dur=\"%.1fs\" "
                     "repeatCount=\"indefinite\" values=\"0;0;1;1;0;0\" "
                     "keyTimes=\"0;%.4f;%.4f;%.4f;%.4f;1\"/>\n",
                     at_rest, total, from / total, (from + fade) / total, (last - .1) / total,
                     last / total);
}

static double step_start(int step)
{
    return start + step * (PHASES * phase + rest);
}

/* From a phase of the step being drawn to the step's end. */
static void from_phase(film *f, int which)
{
    double begin = step_start(f->step);
    appear(f, begin + which * phase, step_start(f->step + 1), f->step == 0);
}

static void end(film *f)
{
    heed__text_add_string(&f->svg, "</g>\n");
}

/* ---- what is drawn ---- */

static void label(film *f, int x, int y, const char *class, const char *text)
{
    heed__text_print(&f->svg, "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, class,
                     text);
}

static void box(film *f, int x, int y, int width, int height, const char *class)
{
    heed__text_print(&f->svg,
                     "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\" "
                     "class=\"%s\"/>\n",
                     x - width / 2, y, width, height, class);
}

static void line(film *f, int x0, int y0, int x1, int y1, double thickness)
{
    heed__text_print(&f->svg,
                     "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"flow\" "
                     "stroke-width=\"%.1f\"/>\n",
                     x0, y0, x1, y1, thickness);
}

static void number(film *f, int x, int y, const char *class, double value)
{
    heed__text_print(&f->svg, "<text x=\"%d\" y=\"%d\" class=\"%s\">%.2f</text>\n", x, y, class,
                     value);
}

static void vector(film *f, int x, int y, const char *name, const heed_tensor *value)
{
    heed__text_print(&f->svg,
                     "<text x=\"%d\" y=\"%d\" class=\"vector\">%s = [%.2f %.2f %.2f]"
                     "</text>\n",
                     x, y, name, heed_at(value, 0), heed_at(value, 1), heed_at(value, 2));
}

static void row_name(film *f, int y, const char *english, const char *korean)
{
    label(f, 24, y, "name", f->korean ? korean : english);
}

static void encoder(film *f, const heed_tensor *states)
{
    row_name(f, 76, "encoder", "인코더");
    for (int i = 0; i < THANKS_STATES; i++) {
        appear(f, .2 + .9 * i, length(), true);
        box(f, column[i], 44, 190, 56, "source");
        label(f, column[i], 68, "word", source[i]);
        heed__text_print(&f->svg,
                         "<text x=\"%d\" y=\"90\" class=\"vector\">h<tspan dy=\"3\" "
                         "font-size=\"9\">%s</tspan><tspan dy=\"-3\"> = [%.0f %.0f %.0f]"
                         "</tspan></text>\n",
                         column[i], state_name[i], heed_at(states, 3 * i),
                         heed_at(states, 3 * i + 1), heed_at(states, 3 * i + 2));
        if (i + 1 < THANKS_STATES)
            line(f, column[i] + 97, 72, column[i + 1] - 97, 72, 1.5);
        end(f);
    }
    appear(f, .2, start, false);
    label(f, WIDTH / 2, 450, "caption",
          f->korean ? "인코더가 단어를 차례로 읽고, 모든 은닉 상태를 남겨 둡니다"
                    : "The encoder reads the words in turn and keeps every state");
    end(f);
}

/* One step of the decoder, each part from its phase on. before: the word it has said, or NULL. */
static void decoder(film *f, const thanks_step *step, const char *before, int chosen)
{
    const char *const names[] = { f->step ? "s₁" : "s₀", f->step ? "c₁" : "c₀" };
    from_phase(f, ASK);
    row_name(f, 376, "decoder", "디코더");
    box(f, 230, 348, 210, 46, "state");
    vector(f, 230, 376, names[0], step->s);
    if (before)
        heed__text_print(&f->svg, "<text x=\"230\" y=\"414\" class=\"number\">%s: %s</text>\n",
                         f->korean ? "입력" : "input", before);
    end(f);
    from_phase(f, SCORE);
    row_name(f, 140, "scores", "점수");
    for (int i = 0; i < THANKS_STATES; i++)
        number(f, column[i], 140, "number", heed_at(step->scores, i));
    end(f);
    from_phase(f, WEIGH);
    row_name(f, 184, "weights", "가중치");
    for (int i = 0; i < THANKS_STATES; i++) {
        double weight = heed_at(step->weights, i);
        box(f, column[i], 168, 190, 24, "empty");
        heed__text_print(&f->svg,
                         "<rect x=\"%d\" y=\"168\" width=\"%.1f\" height=\"24\" rx=\"8\" "
                         "class=\"bar\"/>\n",
                         column[i] - 95, 190 * weight);
        number(f, column[i], 185, "number", weight);
    }
    end(f);
    from_phase(f, SUM_UP);
    row_name(f, 286, "context", "컨텍스트");
    for (int i = 0; i < THANKS_STATES; i++)
        line(f, column[i], 194, 450 + (i - 1) * 40, 256, .5 + 11 * heed_at(step->weights, i));
    box(f, 450, 258, 230, 46, "context");
    vector(f, 450, 286, names[1], step->context);
    end(f);
    from_phase(f, SPEAK);
    line(f, 337, 371, 548, 371, 2);
    line(f, 500, 304, 590, 346, 2);
    box(f, 670, 346, 240, 50, "spoken");
    label(f, 670, 369, "word", word[chosen]);
    heed__text_print(&f->svg, "<text x=\"670\" y=\"388\" class=\"vector\">p = %.2f</text>\n",
                     heed_at(step->probabilities, chosen));
    end(f);
    for (int i = 0; i < PHASES; i++) {
        double begin = step_start(f->step) + i * phase;
        double until = i + 1 < PHASES ? begin + phase : step_start(f->step + 1);
        appear(f, begin, until, f->step == 0 && i == PHASES - 1);
        label(f, WIDTH / 2, 450, "caption", caption[f->korean][i]);
        end(f);
    }
}

static void open(film *f)
{
    heed__text_print(
        &f->svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
        "height=\"%d\" role=\"img\">\n"
        "<title>%s</title>\n"
        "<style>\n"
        "text{font-family:'Noto Sans KR','Apple SD Gothic Neo','Malgun Gothic',sans-serif;"
        "font-size:15px;fill:#1d2a38;text-anchor:middle}\n"
        ".name{text-anchor:start;fill:#5a6b7d}.word{font-weight:bold;font-size:18px}\n"
        ".vector,.number{font-size:14px;font-variant-numeric:tabular-nums}\n"
        ".caption{font-size:19px}.source{fill:#e3eefb;stroke:#6f9fd8}\n"
        ".state{fill:#fdeed8;stroke:#d99a3d}.context{fill:#e4f4e4;stroke:#5ca85c}\n"
        ".spoken{fill:#fbe4ec;stroke:#d0668c}.empty{fill:#f3f5f8;stroke:#c9d2dc}\n"
        ".bar{fill:#9cc3ee}.flow{stroke:#5ca85c;stroke-linecap:round}\n"
        "</style>\n"
        "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT,
        f->korean ? "\"Thank you\"를 \"고마워\"로 옮기는 어텐션"
                  : "Attention translating \"Thank you\" to \"고마워\"",
        WIDTH, HEIGHT);
}

bool thanks_animate(heed_tape *t, bool korean, const char *path, char *error, size_t error_size)
{
    film f = { .korean = korean };
    heed_tensor *states = thanks_states(t);
    thanks_step steps[THANKS_STEPS] = { thanks_first(t) };
    steps[1] = thanks_next(t, &steps[0]);
    if (heed_error(t))
        return heed__say(error, error_size, "%s", heed_error(t));
    open(&f);
    encoder(&f, states);
    const char *said = NULL;
    for (f.step = 0; f.step < THANKS_STEPS; f.step++) {
        int chosen = thanks_word(t, &steps[f.step]);
        decoder(&f, &steps[f.step], said, chosen);
        said = word[chosen];
    }
    heed__text_add_string(&f.svg, "</svg>\n");
    return file_put_text(&f.svg, path, error, error_size);
}
