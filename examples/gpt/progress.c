/* The line of progress and the curve at the end (progress.h), on stdout. */
#include "progress.h"

#include "figures.h"
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR    20
#define WIDTH  64
#define HEIGHT 10

void progress_begin(gpt_progress *p, int style, int64_t step, int64_t steps, double minutes)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    *p = (gpt_progress){ .line = style == PROGRESS_AUTO && terminal,
                         .plain =
                             style == PROGRESS_PLAIN || (style == PROGRESS_AUTO && !terminal),
                         .first = step,
                         .steps = steps,
                         .limit = 60 * minutes,
                         .began = machine_seconds(),
                         .loss = NAN };
    p->last = p->began;
}

static double time_left(const gpt_progress *p, int64_t step, double now)
{
    double gone = now - p->began;
    double left = gone / (double)(step - p->first) * (double)(p->steps - step);
    if (p->limit > 0 && left > p->limit - gone)
        left = p->limit - gone;
    return left;
}

static void draw(gpt_progress *p, const log_line *line, double now)
{
    char bar[BAR + 1];
    int full = (int)((double)BAR * (double)line->step / (double)p->steps);
    memset(bar, '-', BAR);
    memset(bar, '#', (size_t)(full < BAR ? full : BAR));
    bar[BAR] = '\0';
    printf("\r\033[K[%s] %lld/%lld  loss %.4f  %s tokens/s  %s left", bar,
           (long long)line->step, (long long)p->steps, p->loss,
           figure_count((int64_t)p->tokens_per_s).text,
           figure_time(time_left(p, line->step, now)).text);
    fflush(stdout);
    p->drawn = true;
}

void progress_clear(gpt_progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stdout);
    p->drawn = false;
}

void progress_step(gpt_progress *p, const log_line *line)
{
    bool evaluated = !isnan(line->val_loss);
    bool first = isnan(p->loss);
    double now = machine_seconds();
    p->loss = first ? line->train_loss : 0.95 * p->loss + 0.05 * line->train_loss;
    p->tokens_per_s =
        first ? line->tokens_per_s : 0.95 * p->tokens_per_s + 0.05 * line->tokens_per_s;
    /* A line for every evaluation; between two of them only if they are long apart. */
    if ((p->line || p->plain) && (evaluated || (p->plain && (first || now - p->last >= 10)))) {
        progress_clear(p);
        printf("step %lld/%lld  loss %.4f", (long long)line->step, (long long)p->steps,
               p->loss);
        if (evaluated)
            printf("  validation loss %.4f", line->val_loss);
        printf("  lr %.3g  %s tokens/s", line->lr, figure_count((int64_t)p->tokens_per_s).text);
        if (line->step < p->steps)
            printf("  %s left", figure_time(time_left(p, line->step, now)).text);
        printf("\n");
        fflush(stdout);
        p->last = now;
    } else if (p->line && now - p->last >= 0.1) {
        draw(p, line, now);
        p->last = now;
    }
}

/* The mean of the values of a column that are finite; NaN if there are none. */
static double column_mean(const float *values, size_t count, size_t column)
{
    size_t start = column * count / WIDTH, end = (column + 1) * count / WIDTH;
    double sum = 0;
    int used = 0;
    if (end == start)
        end = start + 1;
    for (size_t i = start; i < end && i < count; i++) {
        if (isfinite(values[i])) {
            sum += (double)values[i];
            used++;
        }
    }
    return used ? sum / used : NAN;
}

static void plot(char rows[HEIGHT][WIDTH + 1], const double *values, double low, double high,
                 char mark)
{
    for (size_t x = 0; x < WIDTH; x++) {
        if (isnan(values[x]))
            continue;
        int y = (int)((high - values[x]) / (high - low) * (HEIGHT - 1) + 0.5);
        rows[y][x] = mark;
    }
}

void progress_curve(const float *train, const float *held_out, size_t count)
{
    double means[2][WIDTH], low = INFINITY, high = -INFINITY;
    char rows[HEIGHT][WIDTH + 1];
    /* With fewer steps than columns there is nothing to see that the lines above do not say. */
    if (count < WIDTH)
        return;
    for (size_t x = 0; x < WIDTH; x++) {
        means[0][x] = column_mean(train, count, x);
        means[1][x] = column_mean(held_out, count, x);
        for (int i = 0; i < 2; i++) {
            low = fmin(low, means[i][x]);
            high = fmax(high, means[i][x]);
        }
    }
    if (!(high > low))
        return;
    for (int y = 0; y < HEIGHT; y++) {
        memset(rows[y], ' ', WIDTH);
        rows[y][WIDTH] = '\0';
    }
    plot(rows, means[0], low, high, '.');
    plot(rows, means[1], low, high, 'o');
    printf("\n  loss (. training, o validation)\n");
    for (int y = 0; y < HEIGHT; y++)
        printf("%8.3f |%s\n", high - (high - low) * y / (HEIGHT - 1), rows[y]);
    printf("         +");
    for (int x = 0; x < WIDTH; x++)
        putchar('-');
    printf("\n          1%*s\n", WIDTH - 1, figure_count((int64_t)count).text);
}
