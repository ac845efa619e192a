/* What gpt train says before and after its work (report.h), on stdout. */
#include "report.h"

#include "figures.h"
#include "machine.h"
#include "program.h"
#include "progress.h"
#include "sample.h"

#include <math.h>
#include <stdio.h>

void report_start(const gpt_run *run)
{
    const gpt_config *c = &run->config;
    char model[320];
    int64_t tokens = c->batch * c->context * c->accumulate;
    int64_t left = machine_memory();
    model_describe(&run->model.gpt->options, model, sizeof model);
    printf("heed %s\n", heed_version());
    printf("model    %s: %s parameters\n", model,
           figure_count(heed_params_size(run->model.parameters)).text);
    printf("data     %s: %s tokens to learn from, %s held out, vocabulary of %s (%s)\n",
           run->text.name, figure_count(run->train.count).text,
           figure_count(run->held_out.count).text,
           figure_count(tokenizer_vocabulary(run->model.tokenizer)).text,
           tokenizer_kind(run->model.tokenizer));
    printf("steps    %s of %s tokens each: %.2f times through the data\n",
           figure_count(c->steps).text, figure_count(tokens).text,
           (double)c->steps * (double)tokens / (double)run->train.count);
    printf("machine  %s, instruction set %s\n", figure_of(heed_threads(), "thread").text,
           heed_instruction_set());
    printf("memory   about %s", figure_bytes((double)run_memory(run)).text);
    if (left >= 0)
        printf(" of %s available", figure_bytes((double)left).text);
    printf("\nfolder   %s", c->out);
    if (c->resume)
        printf(", from step %s on", figure_count(run->step).text);
    printf("\n\n");
}

void report_schedule(const gpt_run *run)
{
    heed_schedule now = run_schedule(run), before = now;
    before.steps = run->stored_steps;
    if (run->stored_steps == 0 || run->stored_steps == run->config.steps)
        return;
    double rate = heed_schedule_rate(&now, run->step);
    double old = heed_schedule_rate(&before, run->step);
    printf("--steps is %s instead of %s: the learning rate now falls until then",
           figure_count(now.steps).text, figure_count(before.steps).text);
    if (rate < old || rate > old)
        printf(", and that of step %s becomes %s instead of %s",
               figure_count(run->step + 1).text, figure_apart(rate, old).text,
               figure_apart(old, rate).text);
    printf("\n\n");
}

static void print_command(const gpt_run *run, const char *command)
{
    program_print(command);
    figure_quote(stdout, run->config.out);
}

void report_interrupt(const gpt_run *run)
{
    printf("Interrupted at step %s of %s; all is saved. Go on with\n",
           figure_count(run->step).text, figure_count(run->config.steps).text);
    print_command(run, "train --resume --out");
    printf("\n");
}

static void print_sample(const gpt_run *run)
{
    char why[400];
    sample_options options = {
        .tokens = 300, .temperature = 0.8, .top_p = 1, .seed = run->config.seed, .cache = true
    };
    printf("\nA sample:\n\n");
    fflush(stdout);
    if (!sample_write(&run->model, &options, stdout, NULL, why, sizeof why))
        printf("(none: %s)", why);
    printf("\n\n");
}

void report_end(const gpt_run *run, const gpt_log *log, int64_t steps, double seconds)
{
    const gpt_config *c = &run->config;
    size_t last = log->count;
    progress_curve(log->train, log->held_out, log->count);
    print_sample(run);
    while (last > 0 && isnan(log->held_out[last - 1]))
        last--;
    printf("%s in %s", figure_of(steps, "step").text, figure_time(seconds).text);
    if (last > 0)
        printf(", validation loss %.4f", (double)log->held_out[last - 1]);
    if (run->step < c->steps)
        printf("; the time is over at step %s of %s, and all is saved",
               figure_count(run->step).text, figure_count(c->steps).text);
    printf(". Next:\n");
    print_command(run, "sample --model");
    printf(" --prompt TEXT\n");
    if (c->data) {
        print_command(run, "eval --part held-out --model");
        printf(" --data ");
        figure_quote(stdout, c->data);
        printf("\n");
    }
    print_command(run, "train --resume --out");
    if (run->step >= c->steps)
        printf(" --steps %lld", (long long)c->steps * 2);
    printf("\n");
}
