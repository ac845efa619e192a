/* Numbers as people read them (figures.h). */
#include "figures.h"

#include <math.h>
#include <string.h>

figure figure_count(int64_t count)
{
    char digits[32];
    figure f;
    int size = snprintf(digits, sizeof digits, "%lld", (long long)(count < 0 ? -count : count));
    int at = 0;
    if (count < 0)
        f.text[at++] = '-';
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            f.text[at++] = ',';
        f.text[at++] = digits[i];
    }
    f.text[at] = '\0';
    return f;
}

figure figure_of(int64_t count, const char *noun)
{
    figure f = figure_count(count);
    size_t used = strlen(f.text), size = strlen(noun);
    const char *ending = count == 1 ? "" : size > 0 && noun[size - 1] == 's' ? "es" : "s";
    snprintf(f.text + used, sizeof f.text - used, " %s%s", noun, ending);
    return f;
}

figure figure_bytes(double bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    size_t unit = 0;
    figure f;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(f.text, sizeof f.text, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
    return f;
}

figure figure_time(double seconds)
{
    figure f;
    long long s = seconds < 0      ? 0
                  : seconds > 1e12 ? (long long)1e12
                                   : (long long)(seconds + 0.5);
    if (s < 60)
        snprintf(f.text, sizeof f.text, "%lld s", s);
    else if (s < 3600)
        snprintf(f.text, sizeof f.text, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(f.text, sizeof f.text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return f;
}

figure figure_perplexity(double loss)
{
    double perplexity = exp(loss);
    figure f;
    if (isnan(perplexity))
        snprintf(f.text, sizeof f.text, "NaN");
    else if (perplexity > 1e9)
        snprintf(f.text, sizeof f.text, "> 1e9");
    else
        snprintf(f.text, sizeof f.text, "%.4f", perplexity);
    return f;
}

figure figure_apart(double x, double other)
{
    figure f, g;
    int digits = 3;
    do {
        snprintf(f.text, sizeof f.text, "%.*g", digits, x);
        snprintf(g.text, sizeof g.text, "%.*g", digits, other);
    } while (strcmp(f.text, g.text) == 0 && ++digits <= 17);
    return f;
}

void figure_quote(FILE *to, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=+,@%";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        fputs(word, to);
        return;
    }
    fputc('\'', to);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", to);
        else
            fputc(*word, to);
    }
    fputc('\'', to);
}
