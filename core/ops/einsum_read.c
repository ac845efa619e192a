/* Reading an einsum equation: first as text, then against the operands' shapes. Every refusal
 * quotes the equation and says where it is wrong; positions count characters from 0. */
#include "einsum.h"

#include <stdio.h>
#include <string.h>

#define QUOTED "%.80s"

static const char *equation_of(const heed_call *c)
{
    return ((const einsum_attributes *)c->attributes)->equation;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int label_of(char letter)
{
    return letter >= 'a' ? letter - 'a' + 26 : letter - 'A';
}

/* A label for a sentence: 'i', or the axis of the ellipsis. */
static const char *label_text(int label, char text[32])
{
    if (label < EINSUM_LETTERS)
        snprintf(text, 32, "'%c'", label < 26 ? 'A' + label : 'a' + label - 26);
    else
        snprintf(text, 32, "axis %d of '...'", EINSUM_LETTERS - label - 1);
    return text;
}

/* Where a term ends: at a comma, an arrow or the end. */
static const char *term_end(const char *c)
{
    while (*c && *c != ',' && *c != '-')
        c++;
    return c;
}

/* Where operand i's term begins; i counts no further than the commas. */
static const char *term_begin(const char *equation, int i)
{
    for (; i > 0; i--)
        equation = term_end(equation) + 1;
    return equation;
}

/* ---- as text ---- */

/* Letters, spaces, whole ellipses, commas before the arrow, one arrow. */
static bool check_text(heed_tape *t, const heed_call *c, const char **arrow)
{
    const char *equation = equation_of(c), *dots = NULL;
    *arrow = NULL;
    for (const char *at = equation; *at; at++) {
        int place = (int)(at - equation);
        if (*at == ',') {
            if (*arrow)
                return heed_refuse(t, c, "\"" QUOTED "\": a comma after the arrow, at %d",
                                   equation, place);
            dots = NULL;
        } else if (*at == '-') {
            if (at[1] != '>')
                return heed_refuse(t, c, "\"" QUOTED "\": '-' without '>' at %d", equation,
                                   place);
            if (*arrow)
                return heed_refuse(t, c, "\"" QUOTED "\": a second arrow at %d", equation,
                                   place);
            *arrow = at++;
            dots = NULL;
        } else if (*at == '.') {
            if (at[1] != '.' || at[2] != '.')
                return heed_refuse(t, c, "\"" QUOTED "\": a '.' that is no part of '...' at %d",
                                   equation, place);
            if (dots)
                return heed_refuse(t, c, "\"" QUOTED "\": a second '...' in one term, at %d",
                                   equation, place);
            dots = at;
            at += 2;
        } else if (!is_letter(*at) && *at != ' ') {
            return heed_refuse(t, c, "\"" QUOTED "\": '%c' at %d is not a letter", equation,
                               *at, place);
        }
    }
    return true;
}

/* ---- against the operands ---- */

/* Letters of a term, and whether it has an ellipsis. */
static int count_letters(const char *term, bool *dots)
{
    int letters = 0;
    *dots = false;
    for (const char *end = term_end(term); term < end; term++) {
        letters += is_letter(*term);
        *dots = *dots || *term == '.';
    }
    return letters;
}

/* The labels of a term whose ellipsis stands for so many axes. */
static einsum_term read_term(const char *term, int broadcast)
{
    einsum_term read = { 0 };
    for (const char *end = term_end(term); term < end; term++) {
        if (is_letter(*term))
            read.label[read.ndim++] = label_of(*term);
        if (*term == '.') {
            for (int k = broadcast - 1; k >= 0; k--)
                read.label[read.ndim++] = EINSUM_LETTERS + k;
            term += 2;
        }
    }
    return read;
}

einsum_term heed__einsum_operand(const heed_call *c, int i)
{
    bool dots;
    const char *term = term_begin(equation_of(c), i);
    return read_term(term, c->x[i]->ndim - count_letters(term, &dots));
}

/* Operand i has as many axes as its term names, and their extents fit those seen before. */
static bool check_operand(heed_tape *t, const heed_call *c, int i, einsum_plan *plan)
{
    const char *equation = equation_of(c), *term = term_begin(equation, i);
    const heed_tensor *x = c->x[i];
    char text[32];
    bool dots;
    int letters = count_letters(term, &dots), length = (int)(term_end(term) - term);
    if (dots ? letters > x->ndim : letters != x->ndim)
        return heed_refuse(
            t, c, "\"" QUOTED "\": \"%.*s\" names %d axes%s but operand %d has %d", equation,
            length > 40 ? 40 : length, term, letters, dots ? " or more" : "", i, x->ndim);
    einsum_term read = heed__einsum_operand(c, i);
    for (int k = 0; k < read.ndim; k++) {
        int label = read.label[k];
        for (int j = 0; j < k; j++) {
            if (read.label[j] == label && x->shape[j] != x->shape[k])
                return heed_refuse(
                    t, c, "\"" QUOTED "\": %s has extents %lld and %lld within operand %d",
                    equation, label_text(label, text), (long long)x->shape[j],
                    (long long)x->shape[k], i);
        }
        int64_t *extent = &plan->extent[label];
        if (*extent == 1)
            *extent = x->shape[k];
        else if (x->shape[k] != 1 && x->shape[k] != *extent)
            return heed_refuse(
                t, c, "\"" QUOTED "\": %s has extent %lld in operand %d but %lld before it",
                equation, label_text(label, text), (long long)x->shape[k], i,
                (long long)*extent);
    }
    return true;
}

/* How often each label occurs in the operands' terms, and the longest ellipsis. */
static int count_labels(const heed_call *c, int occurs[EINSUM_LABELS], bool *dots)
{
    int broadcast = 0;
    *dots = false;
    memset(occurs, 0, EINSUM_LABELS * sizeof *occurs);
    for (int i = 0; i < c->n; i++) {
        bool own;
        const char *term = term_begin(equation_of(c), i);
        int rest = c->x[i]->ndim - count_letters(term, &own);
        einsum_term read = heed__einsum_operand(c, i);
        for (int k = 0; k < read.ndim; k++)
            occurs[read.label[k]]++;
        *dots = *dots || own;
        broadcast = rest > broadcast ? rest : broadcast;
    }
    return broadcast;
}

/* The result's term as written after the arrow. */
static bool read_result(heed_tape *t, const heed_call *c, const char *term, int broadcast,
                        const int *occurs, einsum_plan *plan)
{
    const char *equation = equation_of(c);
    bool dots, seen[EINSUM_LETTERS] = { false };
    int letters = count_letters(term, &dots);
    for (const char *at = term; *at; at++) {
        if (!is_letter(*at))
            continue;
        if (seen[label_of(*at)])
            return heed_refuse(t, c, "\"" QUOTED "\": '%c' stands twice in the result, at %d",
                               equation, *at, (int)(at - equation));
        if (occurs[label_of(*at)] == 0)
            return heed_refuse(t, c, "\"" QUOTED "\": '%c' at %d is in no operand", equation,
                               *at, (int)(at - equation));
        seen[label_of(*at)] = true;
    }
    if (!dots && broadcast > 0)
        return heed_refuse(t, c, "\"" QUOTED "\": the result lacks the '...' of the operands",
                           equation);
    if (letters + broadcast > HEED_MAX_NDIM)
        return heed_refuse(t, c, "\"" QUOTED "\": the result would have %d axes, more than %d",
                           equation, letters + broadcast, HEED_MAX_NDIM);
    plan->result = read_term(term, broadcast);
    return true;
}

/* Without an arrow: the broadcast axes, then the letters that occur once, as the alphabet has
 * them, capitals first. */
static bool imply_result(heed_tape *t, const heed_call *c, int broadcast, const int *occurs,
                         einsum_plan *plan)
{
    einsum_term *result = &plan->result;
    int letters = 0;
    for (int label = 0; label < EINSUM_LETTERS; label++)
        letters += occurs[label] == 1;
    if (letters + broadcast > HEED_MAX_NDIM)
        return heed_refuse(t, c, "\"" QUOTED "\": the result would have %d axes, more than %d",
                           equation_of(c), letters + broadcast, HEED_MAX_NDIM);
    for (int k = broadcast - 1; k >= 0; k--)
        result->label[result->ndim++] = EINSUM_LETTERS + k;
    for (int label = 0; label < EINSUM_LETTERS; label++) {
        if (occurs[label] == 1)
            result->label[result->ndim++] = label;
    }
    return true;
}

bool heed__einsum_read(heed_tape *t, const heed_call *c, einsum_plan *plan)
{
    const char *equation = equation_of(c), *arrow;
    int terms = 1, occurs[EINSUM_LABELS];
    bool dots;
    memset(plan, 0, sizeof *plan);
    if (!equation)
        return heed_refuse(t, c, "the equation is NULL");
    if (!check_text(t, c, &arrow))
        return false;
    for (const char *at = equation; *at; at++)
        terms += *at == ',';
    if (terms != c->n)
        return heed_refuse(t, c, "\"" QUOTED "\": is for %d operands, got %d", equation, terms,
                           c->n);
    for (int label = 0; label < EINSUM_LABELS; label++)
        plan->extent[label] = 1;
    for (int i = 0; i < c->n; i++) {
        if (!check_operand(t, c, i, plan))
            return false;
    }
    int broadcast = count_labels(c, occurs, &dots);
    if (arrow ? !read_result(t, c, arrow + 2, broadcast, occurs, plan)
              : !imply_result(t, c, broadcast, occurs, plan))
        return false;
    for (int k = 0; k < plan->result.ndim; k++)
        plan->kept[plan->result.label[k]] = true;
    for (int i = 0; i < c->n; i++) {
        bool counted[EINSUM_LABELS] = { false };
        einsum_term read = heed__einsum_operand(c, i);
        for (int k = 0; k < read.ndim; k++) {
            int label = read.label[k];
            if (c->x[i]->shape[k] == plan->extent[label] && !counted[label])
                plan->uses[label]++;
            counted[label] = true;
        }
    }
    return true;
}
