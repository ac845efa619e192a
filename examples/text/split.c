/* The pattern of GPT-2 by hand: four classes of characters and a few rules about runs of them.
 */
#include "split.h"

#include "classes.h"

#include <string.h>

/* The end of 's 't 're 've 'm 'll 'd at `start`, or start itself. */
static size_t contraction(const char *text, size_t size, size_t start)
{
    static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
    if (text[start] != '\'')
        return start;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (size - start - 1 >= length && memcmp(text + start + 1, endings[i], length) == 0)
            return start + 1 + length;
    }
    return start;
}

size_t text_split(const char *text, size_t size, size_t start)
{
    size_t length, end = contraction(text, size, start);
    if (end > start)
        return end;

    /* One space may lead a run of letters, numbers or symbols. */
    size_t at = start;
    text_class kind = text_class_at(text, size, at, &length);
    if (text[at] == ' ' && at + 1 < size) {
        size_t next;
        text_class follower = text_class_at(text, size, at + 1, &next);
        if (follower != TEXT_BLANK) {
            kind = follower;
            length = next;
            at++;
        }
    }

    size_t last; /* where the run's last character starts */
    text_class now = kind;
    do {
        last = at;
        at += length;
    } while (at < size && (now = text_class_at(text, size, at, &length)) == kind);

    /* Blanks before something else leave their last one to it, unless it is the only one. */
    if (kind == TEXT_BLANK && at < size && last > start)
        return last;
    return at;
}
