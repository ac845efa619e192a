/* The days of 1900 to 2099 as people write them. Knows the library's text room. */
#ifndef TRANSLATE_DATES_H
#define TRANSLATE_DATES_H

#include "text.h"

#define DATES 73049 /* how many days there are */

typedef struct date {
    int year, month, day;
} date;

typedef enum date_form {
    DATE_LONG,   /* March 5, 2021 */
    DATE_SHORT,  /* 5 Mar 2021 */
    DATE_SPOKEN, /* the fifth of March 2021 */
    DATE_KOREAN, /* 2021, 3 and 5, each with its Korean word after it */
    DATE_ISO,    /* 2021-03-05 */
    DATE_FORMS
} date_form;

void date_write(date d, date_form form, heed__text *text);

/* The day of a number: 0 is 1 January 1900. */
date date_of(int64_t number);

#endif
