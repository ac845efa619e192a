/* worked_example: every number of five Korean articles on attention, computed by heed and set
 * beside what the article says; docs/attention.md derives what the first section prints. Exit
 * status 1 if anything does not hold. */
#include "sections.h"
#include "thanks.h"

#include "folder.h"
#include "nearest.h"
#include "options.h"

#include <stdio.h>
#include <string.h>

#define PROGRAM "worked_example"

static const char summary[] =
    "Prints the numbers of five Korean articles on attention as heed computes them, each\n"
    "beside what the article says.";

typedef struct section {
    const char *name;
    words title;
    void (*show)(page *p, heed_tape *t);
} section;

static const section sections[] = {
    { "attention",
      { "Attention, forward and backward", "어텐션의 순전파와 역전파" },
      show_attention },
    { "cat", { "cat, sat, mat: forward", "cat, sat, mat: 순전파" }, show_cat },
    { "gradients", { "cat, sat, mat: backward", "cat, sat, mat: 역전파" }, show_cat_gradients },
    { "scaling", { "Scaling by sqrt(d_k)", "sqrt(d_k)로 나누는 이유" }, show_scaling },
    { "saturation", { "Saturation of random scores", "무작위 점수의 포화" }, show_saturation },
    { "heads", { "Several heads", "멀티 헤드" }, show_heads },
    { "sizes", { "Dimensions and parameters", "차원과 파라미터 수" }, show_sizes },
    { "masks", { "Masks", "마스크" }, show_masks },
    { "padding", { "Padding", "패딩" }, show_padding },
    { "code", { "The NumPy code", "NumPy 코드" }, show_code },
    { "positions", { "Positional encoding", "위치 인코딩" }, show_positions },
    { "order", { "The order of words", "단어의 순서" }, show_order },
    { "rotary", { "Rotary positions", "회전 위치(RoPE)" }, show_rotary },
    { "banana",
      { "A word's way through the encoder", "단어 하나가 인코더를 지나는 과정" },
      show_banana },
    { "thanks",
      { "\"Thank you\" to \"고마워\"", "\"Thank you\"에서 \"고마워\"로" },
      show_thanks },
    { "loss", { "The loss of \"am\" for \"a\"", "\"a\" 대신 \"am\"의 손실" }, show_loss },
    { "alignment", { "Alignment scores", "정렬 점수" }, show_alignment },
    { "annotation",
      { "Embedding and annotation", "임베딩과 annotation 벡터" },
      show_annotation },
    { "continuous", { "Attention as an integral", "적분으로 본 어텐션" }, show_continuous },
    { "retrieval", { "Attention as a search", "검색으로 본 어텐션" }, show_retrieval },
    { "sentences", { "Sentences", "문장" }, show_sentences },
};
enum { SECTIONS = sizeof sections / sizeof *sections };

/* Whether there is such a section; if not, a sentence. */
static bool is_known(const char *name)
{
    nearest_name near;
    nearest_begin(&near, name);
    for (int i = 0; i < SECTIONS; i++) {
        if (strcmp(sections[i].name, name) == 0)
            return true;
        nearest_offer(&near, sections[i].name);
    }
    fprintf(stderr, PROGRAM ": there is no section '%s'; ", name);
    if (near.best)
        fprintf(stderr, "did you mean '%s'?\n", near.best);
    else
        fprintf(stderr, "--list shows all\n");
    return false;
}

static void list(language chosen)
{
    for (int i = 0; i < SECTIONS; i++) {
        const words *title = &sections[i].title;
        printf("  %-12s %s\n", sections[i].name,
               chosen == KOREAN ? title->korean : title->english);
    }
}

/* Every wanted section (NULL: all), each from a clean tape. */
static void show(page *p, heed_tape *t, const char *wanted)
{
    page_begin(p);
    for (int i = 0; i < SECTIONS; i++) {
        if (wanted && strcmp(sections[i].name, wanted) != 0)
            continue;
        page_section(p, sections[i].name, sections[i].title);
        sections[i].show(p, t);
        page_section_end(p);
        const char *error = heed_error(t);
        if (error)
            page_require(p, false, error);
        heed_tape_reset(t);
    }
    page_end(p);
}

static int run(language chosen, bool json, const char *wanted)
{
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    if (!t) {
        fprintf(stderr, PROGRAM ": not enough memory\n");
        return 1;
    }
    page p = { .language = chosen, .json = json };
    show(&p, t, wanted);
    heed_tape_free(t);
    bool good = !p.out.failed && !p.complaint[0];
    if (p.out.failed)
        fprintf(stderr, PROGRAM ": not enough memory\n");
    else
        fwrite(p.out.bytes, 1, p.out.size, stdout);
    if (p.complaint[0])
        fprintf(stderr, PROGRAM ": %s\n", p.complaint);
    heed__text_free(&p.out);
    return options_end(PROGRAM, good ? 0 : 1);
}

static int animate(language chosen, const char *path)
{
    char error[400];
    heed_tape *t = heed_tape_new(&(heed_tape_options){ .dtype = HEED_F64 });
    bool written = t ? thanks_animate(t, chosen == KOREAN, path, error, sizeof error)
                     : heed__say(error, sizeof error, "not enough memory");
    heed_tape_free(t);
    if (!written)
        fprintf(stderr, PROGRAM ": %s\n", error);
    return written ? 0 : 1;
}

int main(int argc, char **argv)
{
    int chosen = ENGLISH;
    const char *wanted = NULL, *film = NULL;
    bool json = false, listed = false;
    option table[] = {
        { "lang", OPTION_CHOICE, &chosen, .help = "English or Korean", .choices = "en|ko" },
        { "section", OPTION_STRING, &wanted, .help = "only this one", .argument = "NAME" },
        { "list", OPTION_FLAG, &listed, .help = "names the sections" },
        { "json", OPTION_FLAG, &json, .help = "values and verdicts as JSON" },
        { "animation", OPTION_STRING, &film,
          .help = "writes section [thanks] as a moving image instead", .argument = "FILE.svg" },
    };
    const size_t size = sizeof table / sizeof *table;
    int code = options_begin(PROGRAM, summary, table, size, argc - 1, argv + 1);
    if (code >= 0)
        return code;
    if (listed && json) {
        fprintf(stderr, PROGRAM ": --list and --json exclude each other\n");
        return 2;
    }
    if (listed) {
        list((language)chosen);
        return options_end(PROGRAM, 0);
    }
    if (film && (json || wanted)) {
        fprintf(stderr, PROGRAM ": --animation goes with --lang only\n");
        return 2;
    }
    char error[1000];
    if (film && !file_is_picture(film, "animation", error, sizeof error)) {
        fprintf(stderr, PROGRAM ": %s\n", error);
        return 2;
    }
    if (film)
        return animate((language)chosen, film);
    if (wanted && !is_known(wanted))
        return 2;
    return run((language)chosen, json, wanted);
}
