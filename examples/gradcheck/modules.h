/* The modules that gradcheck checks, by the same public call that a user makes for his own. */
#ifndef GRADCHECK_MODULES_H
#define GRADCHECK_MODULES_H

#include <heed/heed.h>

typedef struct module {
    const char *name;
    const char *what; /* one line */
    /* Makes the module and its inputs and runs heed_check. */
    heed_report (*check)(const struct module *m, const heed_check_options *options);
    int variant; /* told to check */
} module;

/* The i-th, NULL past the end. */
const module *module_at(int i);

#endif
