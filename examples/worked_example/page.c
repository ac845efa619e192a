/* A page of values and verdicts (page.h). */
#include "page.h"

#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const words verdict_words[] = {
    [NOT_GIVEN] = { "no number", "값 없음" },
    [RIGHT] = { "right", "맞음" },
    [ROUNDED] = { "rounded", "반올림" },
    [WRONG] = { "WRONG", "틀림" },
};
static const char *const verdict_names[] = {
    [NOT_GIVEN] = "not given", [RIGHT] = "right", [ROUNDED] = "rounded", [WRONG] = "wrong"
};

static const char *in_language(const page *p, words text)
{
    return p->language == KOREAN && text.korean ? text.korean : text.english;
}

/* An empty line, unless there is one. */
static void blank_line(page *p)
{
    const heed__text *out = &p->out;
    if (out->size >= 2 && memcmp(out->bytes + out->size - 2, "\n\n", 2) != 0)
        heed__text_add_string(&p->out, "\n");
}

void page_begin(page *p)
{
    if (p->json) {
        heed__text_add_string(&p->out, "{\"sections\": [");
        return;
    }
    page_wrap(
        &p->out, 0,
        in_language(
            p,
            (words){
                "Every number of five Korean articles on attention, computed by heed and set "
                "beside what the article says. \"S1 §5.1\" is where it says so:\n"
                "S0: the history and principle of attention, with \"Thank you\"\n"
                "S1: \"AI 입문 시리즈\", part 5: attention (by its sections)\n"
                "S2: Transformer, from \"Attention Is All You Need\" (by topic)\n"
                "S3: Sequence to Sequence Model with Attention Mechanism\n"
                "S4: Attention과 Query, Key, Value",
                "어텐션을 설명하는 한국어 글 다섯 편에 나오는 모든 숫자를 heed로 계산하여, "
                "글에 "
                "적힌 값과 나란히 보여 드립니다. \"S1 §5.1\"은 글에서의 위치입니다.\n"
                "S0: 어텐션의 역사와 원리, \"Thank you\" 예시\n"
                "S1: \"AI 입문 시리즈\" 5편, 어텐션 (절 번호)\n"
                "S2: 트랜스포머, \"Attention Is All You Need\" (주제별)\n"
                "S3: Sequence to Sequence Model with Attention Mechanism\n"
                "S4: Attention과 Query, Key, Value" }));
}

void page_end(page *p)
{
    const int *n = p->verdicts;
    if (p->json)
        heed__text_print(&p->out,
                         "\n], \"verdicts\": {\"right\": %d, \"rounded\": %d, \"wrong\": %d, "
                         "\"not given\": %d}}\n",
                         n[RIGHT], n[ROUNDED], n[WRONG], n[NOT_GIVEN]);
    else if (p->language == KOREAN)
        heed__text_print(&p->out,
                         "\n글에 적힌 내용: 맞음 %d, 반올림하면 맞음 %d, 틀림 %d, 값 없음 %d\n",
                         n[RIGHT], n[ROUNDED], n[WRONG], n[NOT_GIVEN]);
    else
        heed__text_print(
            &p->out,
            "\nWhat the articles say: %d right, %d rounded, %d wrong, %d without a "
            "number\n",
            n[RIGHT], n[ROUNDED], n[WRONG], n[NOT_GIVEN]);
}

static void put(page *p, const char *key, const char *value)
{
    heed__text_print(&p->out, "\"%s\": ", key);
    heed__json_put_string(&p->out, value, strlen(value));
}

void page_section(page *p, const char *name, words title)
{
    const char *text = in_language(p, title);
    p->section = name;
    p->items = 0;
    if (p->json) {
        heed__text_add_string(&p->out, p->sections ? ",\n {" : "\n {");
        put(p, "name", name);
        heed__text_add_string(&p->out, ", ");
        put(p, "title", text);
        heed__text_add_string(&p->out, ", \"items\": [");
    } else {
        blank_line(p);
        heed__text_print(&p->out, "\n%s  [%s]\n", text, name);
        for (int i = page_columns(text) + 4 + (int)strlen(name); i > 0; i--)
            heed__text_add_string(&p->out, "=");
        heed__text_add_string(&p->out, "\n\n");
    }
    p->sections++;
}

void page_section_end(page *p)
{
    if (p->json)
        heed__text_add_string(&p->out, "]}");
}

void page_say(page *p, words text)
{
    if (p->json)
        return;
    blank_line(p);
    page_wrap(&p->out, 0, in_language(p, text));
    blank_line(p);
}

void page_require(page *p, bool holds, const char *sentence)
{
    if (!holds && !p->complaint[0])
        heed__say(p->complaint, sizeof p->complaint, "%s: %s", p->section, sentence);
}

double largest_difference(const heed_tensor *a, const heed_tensor *b)
{
    double worst = 0;
    if (!a || !b || heed_size(a) != heed_size(b))
        return NAN;
    for (int64_t i = 0; i < heed_size(a); i++)
        worst = fmax(worst, fabs(heed_at(a, i) - heed_at(b, i)));
    return worst;
}

/* A verdict is declared where the item is, for the reader of the source, and must be what the
 * numbers say. */
static void judge(page *p, const item *shown)
{
    double worst = 0;
    for (int i = 0; i < shown->count; i++)
        worst = fmax(worst, fabs(heed_at(shown->value, i) - shown->said[i]));
    verdict found = worst <= 1e-9 ? RIGHT : worst <= .005 ? ROUNDED : WRONG;
    if (shown->count && found != shown->verdict && !p->complaint[0])
        heed__say(p->complaint, sizeof p->complaint,
                  "%s/%s is called %s, but the article's numbers are off by %g", p->section,
                  shown->name, verdict_names[shown->verdict], worst);
    p->verdicts[shown->verdict]++;
}

static void show_json(page *p, const item *shown)
{
    heed__text_add_string(&p->out, p->items ? ",\n  {" : "\n  {");
    put(p, "name", shown->name);
    heed__text_add_string(&p->out, ", ");
    put(p, "what", in_language(p, shown->what));
    if (shown->value) {
        const heed_tensor *x = shown->value;
        heed__text_print(&p->out, ", \"dtype\": \"%s\", \"shape\": [",
                         heed_dtype_name(x->dtype));
        for (int i = 0; i < x->ndim; i++)
            heed__text_print(&p->out, i ? ", %lld" : "%lld", (long long)x->shape[i]);
        heed__text_add_string(&p->out, "], \"value\": [");
        for (int64_t i = 0; i < heed_size(x); i++) {
            heed__text_add_string(&p->out, i ? ", " : "");
            heed__json_put_double(&p->out, heed_at(x, i));
        }
        heed__text_add_string(&p->out, "]");
    }
    if (shown->source) {
        heed__text_add_string(&p->out, ", ");
        put(p, "source", shown->source);
        heed__text_add_string(&p->out, ", ");
        put(p, "says", in_language(p, shown->says));
        heed__text_add_string(&p->out, ", ");
        put(p, "verdict", verdict_names[shown->verdict]);
        if (shown->because.english) {
            heed__text_add_string(&p->out, ", ");
            put(p, "because", in_language(p, shown->because));
        }
    }
    heed__text_add_string(&p->out, "}");
}

static void show_text(page *p, const item *shown)
{
    const char *what = in_language(p, shown->what), *because = in_language(p, shown->because);
    page_wrap(&p->out, 0, what);
    if (shown->value)
        page_numbers(&p->out, shown->value, shown->whole);
    if (!shown->source)
        return;
    heed__text line = { 0 };
    heed__text_print(&line, "[%s] %s: %s.", in_language(p, verdict_words[shown->verdict]),
                     shown->source, in_language(p, shown->says));
    if (because)
        heed__text_print(&line, " %s", because);
    p->out.failed = p->out.failed || line.failed;
    if (!line.failed)
        page_wrap(&p->out, 4, line.bytes);
    heed__text_free(&line);
    blank_line(p);
}

void page_show(page *p, item shown)
{
    if (shown.source)
        judge(p, &shown);
    if (p->json)
        show_json(p, &shown);
    else
        show_text(p, &shown);
    p->items++;
}
