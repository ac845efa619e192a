/* Prints docs/derivatives.md from the op records, so that the page cannot say anything else
 * than the code. With the name of a file: compares it instead, and names the first line that
 * differs. */
#include <heed/op.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static FILE *page;

static void say(const char *format, ...) HEED_PRINTF(1, 2);
static void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(page, format, list);
    va_end(list);
}

/* A column break inside a table cell, and emphasis around a product of stars, would spoil the
 * page. */
static void say_formula(const char *formula)
{
    say("`");
    for (const char *c = formula ? formula : ""; *c; c++)
        say(*c == '|' ? "\\|" : "%c", *c);
    say("`");
}

static void say_uses(const heed_op *op)
{
    const char *separator = "";
    if (!op->vjp) {
        say(op->compose ? "as its parts" : "-");
        return;
    }
    for (int i = 0; i < 31; i++) {
        if (op->uses & HEED_USES_X(i)) {
            if (op->arity == 1)
                say("x");
            else
                say("%sx%d", separator, i);
            separator = ", ";
        }
    }
    if (op->uses & HEED_USES_Y)
        say("%sy", separator);
    else if (!*separator)
        say(op->uses ? "" : "nothing");
}

static void say_notes(const heed_op *op)
{
    const char *separator = "";
    if (op->linear) {
        say("linear");
        separator = ", ";
    }
    if (op->compose) {
        say("%s%s", separator, op->run ? "fused" : "composed");
        separator = ", ";
    }
    if (!op->run && !op->compose) {
        say("%sa view", separator);
        separator = ", ";
    }
    if (op->accumulate)
        say("%sadds in place", separator);
}

static void say_row(const heed_op *op)
{
    int smooth = 0;
    for (int i = 0; i < op->case_count; i++)
        smooth += !op->cases[i].stated;
    say("| %s | ", op->name);
    say_formula(op->formula);
    say(" | ");
    if (op->adjoint && strncmp(op->adjoint, "none", 4) == 0)
        say("%s", op->adjoint);
    else
        say_formula(op->adjoint);
    say(" | ");
    say_uses(op);
    say(" | ");
    say_notes(op);
    say(" | %s | %d + %d |\n",
        op->cost                   ? op->cost
        : !op->run && !op->compose ? "none"
                                   : "n",
        smooth, op->case_count - smooth);
}

static bool is_of_an_adjoint(const heed_op *op)
{
    size_t length = strlen(op->name);
    return length > 5 && strcmp(op->name + length - 5, "_grad") == 0;
}

static void say_table(bool adjoints)
{
    const heed_op *op;
    say("| op | value | adjoint | reads | notes | cost | cases |\n"
        "|---|---|---|---|---|---|---|\n");
    for (int i = 0; (op = heed_op_at(i)) != NULL; i++) {
        if (is_of_an_adjoint(op) == adjoints)
            say_row(op);
    }
}

static void say_page(void)
{
    int count = 0;
    while (heed_op_at(count))
        count++;
    say("# Derivatives\n\n"
        "<!-- Printed from the op records by docs/derivatives.c. To renew it after a change:\n"
        "     ninja -C build && build/docs/derivatives > docs/derivatives.md -->\n\n"
        "The library has %d ops. Each is one record that holds its value, its adjoint and its "
        "test\n"
        "cases; this page is printed from the records, and a test fails when it is out of "
        "date.\n\n"
        "- **value**: y from x (x0, x1, ... or the customary letters when there are several "
        "operands).\n"
        "- **adjoint**: what the rule returns for gy, the gradient of the loss by y. It is "
        "written before\n"
        "  broadcasting is undone: the engine sums it to the operand's shape. `<a, b>` is the "
        "sum of\n"
        "  products along the axis the op works on, `[c]` is 1 where c holds and else 0.\n"
        "- **reads**: which operands and results the adjoint reads, besides gy and what the "
        "value saved for\n"
        "  it (a norm's mean and deviation, attention's log-sum-exp). Tests fill the others "
        "with NaN.\n"
        "- **notes**: linear ops also pass the exact dot test; a fused op has a composition in "
        "plain ops,\n"
        "  which tests compare it with and which a recorded sweep differentiates instead; an "
        "op that\n"
        "  *adds in place* can write its result on top of a gradient that is there.\n"
        "  A composed op is made of others and has their adjoints.\n"
        "- **cost**: arithmetic of value + adjoint; n stands for a few operations for each "
        "element of\n"
        "  operands and result, none for a view.\n"
        "- **cases**: smooth ones, compared with differences at orders 1 and 2, plus ones "
        "whose result and\n"
        "  gradient are stated in closed form.\n\n",
        count);
    say("## Ops\n\n");
    say_table(false);
    say("\n## Ops that adjoints are made of\n\n"
        "In them g (or gy) is the gradient that came in, z the result, and h the gradient of "
        "z. Those with\n"
        "an adjoint let gradients be differentiated again; those of fused ops need none, "
        "because a\n"
        "recorded sweep differentiates the fused op's composition.\n\n");
    say_table(true);
}

static int compare(const char *path)
{
    FILE *is = fopen(path, "r");
    if (!is) {
        perror(path);
        return 1;
    }
    rewind(page);
    char want[4096], have[4096];
    for (int line = 1;; line++) {
        const char *a = fgets(want, sizeof want, page), *b = fgets(have, sizeof have, is);
        if (!a && !b)
            break;
        if (!a || !b || strcmp(want, have) != 0) {
            fprintf(stderr, "%s:%d differs from the records\n  is:        %s  should be: %s",
                    path, line, b ? have : "(end)\n", a ? want : "(end)\n");
            fprintf(stderr, "Its first comment says how to renew it.\n");
            fclose(is);
            return 1;
        }
    }
    fclose(is);
    return 0;
}

int main(int count, char **arguments)
{
    page = count > 1 ? tmpfile() : stdout;
    if (!page) {
        perror("derivatives");
        return 1;
    }
    say_page();
    return count > 1 ? compare(arguments[1]) : ferror(page) || fflush(page) != 0;
}
