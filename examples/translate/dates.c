/* Days and their forms (dates.h). */
#include "dates.h"

void date_write(date d, date_form form, heed__text *text)
{
    static const char *const months[] = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December",
    };
    static const char *const days[] = {
        "first",        "second",         "third",         "fourth",        "fifth",
        "sixth",        "seventh",        "eighth",        "ninth",         "tenth",
        "eleventh",     "twelfth",        "thirteenth",    "fourteenth",    "fifteenth",
        "sixteenth",    "seventeenth",    "eighteenth",    "nineteenth",    "twentieth",
        "twenty-first", "twenty-second",  "twenty-third",  "twenty-fourth", "twenty-fifth",
        "twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth",  "thirtieth",
        "thirty-first",
    };
    const char *month = months[d.month - 1];
    heed__text_clear(text);
    switch (form) {
    case DATE_LONG:
        heed__text_print(text, "%s %d, %d", month, d.day, d.year);
        break;
    case DATE_SHORT:
        heed__text_print(text, "%d %.3s %d", d.day, month, d.year);
        break;
    case DATE_SPOKEN:
        heed__text_print(text, "the %s of %s %d", days[d.day - 1], month, d.year);
        break;
    case DATE_KOREAN:
        heed__text_print(text, "%d\ub144 %d\uc6d4 %d\uc77c", d.year, d.month, d.day);
        break;
    default:
        heed__text_print(text, "%04d-%02d-%02d", d.year, d.month, d.day);
    }
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

date date_of(int64_t number)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    date d = { 1900, 1, 1 };
    for (; number >= 365 + is_leap(d.year); d.year++)
        number -= 365 + is_leap(d.year);
    for (;; d.month++) {
        int length = lengths[d.month - 1] + (d.month == 2 && is_leap(d.year));
        if (number < length)
            break;
        number -= length;
    }
    d.day += (int)number;
    return d;
}
