/* The record shown: as text, a line an op, and as a Graphviz graph. Reads the tape, changes
 * nothing. */
#include "engine.h"
#include "memory.h"

#include <inttypes.h>
#include <string.h>

/* The record, oldest first. */
typedef struct listing {
    const heed__record **record;
    int64_t count;
} listing;

static bool list(const heed_tape *t, listing *l)
{
    l->count = t && t->last ? t->last->number + 1 : 0;
    l->record = heed__allocate(NULL, (size_t)(l->count + 1) * sizeof *l->record);
    for (const heed__record *r = t ? t->last : NULL; l->record && r; r = r->previous)
        l->record[r->number] = r;
    return t && l->record;
}

static void unlist(listing *l)
{
    heed__release(NULL, l->record, (size_t)(l->count + 1) * sizeof *l->record);
}

static bool shown(const heed_tensor *x)
{
    return x->record && x->record->y == x && !x->record->consumed;
}

static const char *shape_text(const heed_tensor *x, char *text, size_t size)
{
    heed_shape shape = heed_shape_of(x);
    return heed_shape_text(&shape, text, size);
}

static const char *leaf_name(const heed_tensor *x)
{
    if (x->parameter)
        return x->parameter->name;
    return x->flags & TENSOR_WATCHED ? "watched" : "constant";
}

static void print_operand(const heed_tensor *x, FILE *file)
{
    char text[160];
    if (!x)
        fputs("none", file);
    else if (shown(x))
        fprintf(file, "%%%" PRId64 " %s", x->record->number, shape_text(x, text, sizeof text));
    else
        fprintf(file, "%s %s", leaf_name(x), shape_text(x, text, sizeof text));
}

bool heed_tape_print(const heed_tape *t, FILE *file)
{
    char text[320];
    listing l;
    if (!list(t, &l))
        return false;
    for (int64_t i = 0; i < l.count; i++) {
        const heed__record *r = l.record[i];
        fprintf(file, "%%%" PRId64 " = %s(", i, r->call.op->name);
        for (int k = 0; k < r->call.n; k++) {
            if (k)
                fputs(", ", file);
            print_operand(r->call.x[k], file);
        }
        fprintf(file, ") -> %s %s", heed_dtype_name(r->y->dtype),
                shape_text(r->y, text, sizeof text));
        heed__path_text(r->scope, text, sizeof text);
        fprintf(file, "%s%s\n", text[0] ? "  " : "", text);
    }
    unlist(&l);
    return !ferror(file);
}

/* ---- Graphviz ---- */

/* A label: quotes and backslashes escaped, control characters as a space. */
static void write_escaped(const char *text, FILE *file)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
}

static void write_leaf(const char *id, const heed_tensor *x, FILE *file)
{
    char text[160];
    fprintf(file, "  %s [label=\"", id);
    write_escaped(leaf_name(x), file);
    fprintf(file, "\\n%s\"%s];\n", shape_text(x, text, sizeof text),
            x->parameter ? ", style=filled, fillcolor=\"#dfe8f5\"" : ", shape=ellipse");
}

static bool same_leaf(const heed_tensor *a, const heed_tensor *b)
{
    return a == b || (a && a->parameter && a->parameter == b->parameter);
}

/* A leaf is drawn once and named by the place of its first use. */
static void name_leaf(const listing *l, const heed_tensor *leaf, char *name, size_t size)
{
    for (int64_t i = 0; i < l->count; i++) {
        const heed_call *c = &l->record[i]->call;
        for (int k = 0; k < c->n; k++) {
            if (same_leaf(c->x[k], leaf)) {
                snprintf(name, size, "leaf%" PRId64 "_%d", i, k);
                return;
            }
        }
    }
}

/* The op inside the boxes of its scopes. A subgraph may be opened again: what is in it adds
 * up. */
static void write_op(const heed__record *r, FILE *file)
{
    const heed__scope *chain[32];
    int depth = 0;
    char text[160];
    for (const heed__scope *s = r->scope; s && s->parent && depth < 32; s = s->parent)
        chain[depth++] = s;
    for (int k = depth - 1; k >= 0; k--) {
        fprintf(file, "  subgraph cluster_%" PRIu64 " { label=\"", chain[k]->serial);
        write_escaped(chain[k]->name, file);
        fputs("\";\n", file);
    }
    fprintf(file, "  op%" PRId64 " [label=\"", r->number);
    write_escaped(r->call.op->name, file);
    fprintf(file, "\\n%s\"];\n", shape_text(r->y, text, sizeof text));
    for (int k = 0; k < depth; k++)
        fputs("  }\n", file);
}

static void write_operands(const listing *l, const heed__record *r, FILE *file)
{
    char name[64], here[64];
    for (int k = 0; k < r->call.n; k++) {
        const heed_tensor *x = r->call.x[k];
        if (!x)
            continue;
        if (shown(x)) {
            snprintf(name, sizeof name, "op%" PRId64, x->record->number);
        } else {
            name_leaf(l, x, name, sizeof name);
            snprintf(here, sizeof here, "leaf%" PRId64 "_%d", r->number, k);
            if (strcmp(name, here) == 0)
                write_leaf(name, x, file);
        }
        fprintf(file, "  %s -> op%" PRId64 ";\n", name, r->number);
    }
}

bool heed_tape_write_dot(const heed_tape *t, FILE *file)
{
    listing l;
    if (!list(t, &l))
        return false;
    fputs("digraph tape {\n"
          "  rankdir=BT;\n"
          "  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=10];\n"
          "  graph [fontname=\"sans-serif\", fontsize=10, color=\"#999999\"];\n",
          file);
    for (int64_t i = 0; i < l.count; i++) {
        write_op(l.record[i], file);
        write_operands(&l, l.record[i], file);
    }
    fputs("}\n", file);
    unlist(&l);
    return !ferror(file);
}
