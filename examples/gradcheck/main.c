/* gradcheck: checks every op and module of heed against finite differences, in f64, and says
 * where the worst number is. */
#include "modules.h"
#include "results.h"

#include "nearest.h"
#include "options.h"

#include <heed/op.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRAM "gradcheck"

static const char summary[] =
    "       gradcheck NAME... [options]\n"
    "Checks ops and modules against finite differences in f64. Each op goes through all its\n"
    "cases, memory layouts and shared operands; each module through every input and parameter.";

typedef struct settings {
    bool list, all, ops, modules, json, each;
    int64_t order, seed;
    int names;
    char *const *name;
} settings;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const module *module_named(const char *name)
{
    const module *m;
    for (int i = 0; (m = module_at(i)) != NULL; i++) {
        if (strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

static bool wanted(const settings *s, const char *name, bool op)
{
    for (int i = 0; i < s->names; i++) {
        if (strcmp(s->name[i], name) == 0)
            return true;
    }
    return s->all || (op ? s->ops : s->modules);
}

static void list(void)
{
    const heed_op *op;
    const module *m;
    printf("Ops\n");
    for (int i = 0; (op = heed_op_at(i)) != NULL; i++)
        printf("  %-22s %s\n", op->name, op->formula);
    printf("\nModules\n");
    for (int i = 0; (m = module_at(i)) != NULL; i++)
        printf("  %-22s %s\n", m->name, m->what);
}

/* Complains of a name that is neither an op nor a module. */
static bool names_known(const settings *s)
{
    for (int i = 0; i < s->names; i++) {
        const heed_op *op;
        const module *m;
        nearest_name near;
        if (heed_op_named(s->name[i]) || module_named(s->name[i]))
            continue;
        nearest_begin(&near, s->name[i]);
        for (int k = 0; (op = heed_op_at(k)) != NULL; k++)
            nearest_offer(&near, op->name);
        for (int k = 0; (m = module_at(k)) != NULL; k++)
            nearest_offer(&near, m->name);
        fprintf(stderr, PROGRAM ": there is no op or module '%s'%s%s%s\n", s->name[i],
                near.best ? "; did you mean " : " (--list shows them all)",
                near.best ? near.best : "", near.best ? "?" : "");
        return false;
    }
    return true;
}

static void print_element(void *user, const char *where, double analytic, double numeric,
                          double excess)
{
    fprintf(user, "  %-40s %18.10g %18.10g %9.1e  %5.1f %%\n", where, analytic, numeric,
            fabs(analytic - numeric), 100 * excess);
}

typedef struct run {
    const settings *s;
    heed_check_options options;
    heed__text json;
    int count, failed;
} run;

static void report(run *r, const result *done)
{
    r->count++;
    r->failed += !done->report.passed;
    if (r->s->json)
        results_json_add(&r->json, done, r->count == 1);
    else
        results_line(stdout, done);
    fflush(stdout);
}

static void check_all(run *r)
{
    const heed_op *op;
    const module *m;
    for (int i = 0; (op = heed_op_at(i)) != NULL; i++) {
        if (!wanted(r->s, op->name, true))
            continue;
        double begun = now();
        result done = { .name = op->name, .kind = "op", .cases = op->case_count };
        done.report = heed_check_op(op, &r->options);
        done.seconds = now() - begun;
        report(r, &done);
    }
    for (int i = 0; (m = module_at(i)) != NULL; i++) {
        if (!wanted(r->s, m->name, false))
            continue;
        double begun = now();
        result done = { .name = m->name, .kind = "module", .cases = 1 };
        done.report = m->check(m, &r->options);
        done.seconds = now() - begun;
        report(r, &done);
    }
}

static int check(const settings *s)
{
    run r = { .s = s,
              .options = { .order = (int)s->order,
                           .seed = (uint64_t)s->seed,
                           .each = s->each ? print_element : NULL,
                           .user = stdout } };
    double begun = now();
    if (s->json)
        results_json_begin(&r.json, (int)s->order, (uint64_t)s->seed);
    else
        results_heading(stdout);
    check_all(&r);
    if (s->json) {
        results_json_end(&r.json, r.failed == 0, now() - begun);
        if (r.json.failed) {
            fprintf(stderr, PROGRAM ": not enough memory\n");
            return 1;
        }
        fputs(r.json.bytes, stdout);
        heed__text_free(&r.json);
    } else {
        results_total(stdout, r.count, r.failed, now() - begun);
    }
    return r.failed != 0;
}

int main(int count, char **arguments)
{
    settings s = { .order = 1 };
    option table[] = {
        { "What", .kind = OPTION_HEADING },
        { "list", OPTION_FLAG, &s.list, .help = "name every op and module, and check nothing" },
        { "all", OPTION_FLAG, &s.all, .help = "check every op and module" },
        { "ops", OPTION_FLAG, &s.ops, .help = "check every op" },
        { "modules", OPTION_FLAG, &s.modules, .help = "check every module" },
        { "How", .kind = OPTION_HEADING },
        { "order", OPTION_INTEGER, &s.order, .help = "2: the gradient of the gradient too",
          .least = 1, .most = 2 },
        { "seed", OPTION_INTEGER, &s.seed, .help = "of the inputs", .least = 0,
          .most = INT64_MAX },
        { "each", OPTION_FLAG, &s.each,
          .help = "print each number of a module: tape, differences, error" },
        { "json", OPTION_FLAG, &s.json, .help = "print one JSON object" },
    };
    const size_t size = sizeof table / sizeof *table;
    int options = options_before_words(table, size, count - 1, arguments + 1);
    int code = options_begin(PROGRAM, summary, table, size, options, arguments + 1);
    if (code >= 0)
        return code;
    s.name = arguments + 1 + options;
    s.names = count - 1 - options;
    if (s.json && s.each) {
        fprintf(stderr, PROGRAM ": --json and --each exclude each other\n");
        return 2;
    }
    if (s.json && s.list) {
        fprintf(stderr, PROGRAM ": --json and --list exclude each other\n");
        return 2;
    }
    if (s.list) {
        list();
        return options_end(PROGRAM, 0);
    }
    if (!names_known(&s))
        return 2;
    if (!s.names && !s.all && !s.ops && !s.modules) {
        fprintf(stderr, PROGRAM ": name an op or a module, or say --all; --list shows them\n");
        return 2;
    }
    return options_end(PROGRAM, check(&s));
}
