/* The small English (grammar.h). */
#include "grammar.h"

/* Singular, plural. */
static const char *const nouns[][2] = {
    { "cat", "cats" },       { "dog", "dogs" },       { "child", "children" },
    { "woman", "women" },    { "man", "men" },        { "mouse", "mice" },
    { "bird", "birds" },     { "horse", "horses" },   { "teacher", "teachers" },
    { "king", "kings" },     { "doctor", "doctors" }, { "friend", "friends" },
    { "sister", "sisters" }, { "farmer", "farmers" }, { "goose", "geese" },
    { "singer", "singers" }, { "sailor", "sailors" }, { "wolf", "wolves" },
};
static const char *const transitive[][2] = {
    { "sees", "see" },   { "likes", "like" },     { "hears", "hear" }, { "knows", "know" },
    { "helps", "help" }, { "follows", "follow" }, { "fears", "fear" }, { "finds", "find" },
};
static const char *const intransitive[][2] = {
    { "sleeps", "sleep" }, { "runs", "run" },     { "sings", "sing" },
    { "waits", "wait" },   { "laughs", "laugh" }, { "dances", "dance" },
};
static const char *const be[][2] = { { "is", "are" } };
static const char *const adjectives[] = { "small", "old",   "happy", "quiet",
                                          "tired", "brave", "young", "hungry" };
static const char *const adverbs[] = { "today", "again", "slowly", "often", "alone" };
static const char *const prepositions[] = { "near", "behind", "with", "beside" };

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void add(heed__text *to, const char *word)
{
    heed__text_add_string(to, word);
    heed__text_add(to, " ", 1);
}

static int number(heed_random *r)
{
    return (int)heed_random_below(r, 2);
}

static void add_form(heed__text *to, const char *const table[][2], size_t count, int form,
                     heed_random *r)
{
    add(to, table[heed_random_below(r, count)][form]);
}

static void add_one(heed__text *to, const char *const *table, size_t count, heed_random *r)
{
    add(to, table[heed_random_below(r, count)]);
}

static void noun_phrase(heed__text *to, int form, heed_random *r)
{
    add(to, "the");
    add_form(to, nouns, COUNT(nouns), form, r);
}

/* What may stand between a subject and its verb. */
static void modifier(heed__text *to, int form, heed_random *r)
{
    int other = number(r);
    switch (heed_random_below(r, 4)) {
    case 0:
        break;
    case 1:
        add_one(to, prepositions, COUNT(prepositions), r);
        noun_phrase(to, other, r);
        break;
    case 2: /* that see the dog */
        add(to, "that");
        add_form(to, transitive, COUNT(transitive), form, r);
        noun_phrase(to, other, r);
        break;
    default: /* that the dog sees */
        add(to, "that");
        noun_phrase(to, other, r);
        add_form(to, transitive, COUNT(transitive), other, r);
    }
}

void grammar_sentence(heed__text *to, bool broken, heed_random *r)
{
    int form = number(r), verb = broken ? !form : form;
    noun_phrase(to, form, r);
    modifier(to, form, r);
    switch (heed_random_below(r, 3)) {
    case 0:
        add_form(to, be, COUNT(be), verb, r);
        add_one(to, adjectives, COUNT(adjectives), r);
        break;
    case 1:
        add_form(to, intransitive, COUNT(intransitive), verb, r);
        add_one(to, adverbs, COUNT(adverbs), r);
        break;
    default:
        add_form(to, transitive, COUNT(transitive), verb, r);
        noun_phrase(to, number(r), r);
    }
}
