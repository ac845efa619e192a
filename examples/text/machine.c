/* Time, memory and interrupts (machine.h). */
#include "machine.h"

#include "figures.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double machine_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The number that follows `key` in a small text file of the system; -1 without it. */
static int64_t number_in(const char *path, const char *key)
{
    char line[256];
    long long value = -1;
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    while (value < 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0 &&
            sscanf(line + strlen(key), "%lld", &value) != 1)
            value = -1;
    }
    fclose(file);
    return value;
}

int64_t machine_memory(void)
{
    int64_t left = number_in("/proc/meminfo", "MemAvailable:");
    if (left >= 0)
        left = left <= INT64_MAX / 1024 ? left * 1024 : INT64_MAX;
#ifdef _SC_PHYS_PAGES
    else {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        if (pages > 0 && page > 0)
            left = (int64_t)pages * page;
    }
#endif
    /* A container may be allowed less than the machine has. */
    int64_t limit = number_in("/sys/fs/cgroup/memory.max", "");
    int64_t used = number_in("/sys/fs/cgroup/memory.current", "");
    if (limit >= 0 && used >= 0 && used <= limit && (left < 0 || limit - used < left))
        left = limit - used;
    return left;
}

bool machine_has_memory(int64_t bytes, char *error, size_t error_size)
{
    int64_t left = machine_memory();
    if (bytes < 0)
        return heed__say(error, error_size,
                         "this model needs more memory than any machine has: choose smaller "
                         "sizes");
    if (left >= 0 && bytes > left)
        return heed__say(error, error_size,
                         "this needs about %s of memory and %s are available: choose smaller "
                         "sizes",
                         figure_bytes((double)bytes).text, figure_bytes((double)left).text);
    return true;
}

static volatile sig_atomic_t interrupts;
static const char *interrupt_words; /* set before the handler is */

static void on_interrupt(int number)
{
    (void)number;
    if (interrupts)
        _exit(130);
    interrupts = 1;
    if (interrupt_words && write(STDERR_FILENO, interrupt_words, strlen(interrupt_words)) < 0)
        interrupt_words = NULL;
}

void machine_catch_interrupts(const char *words)
{
    struct sigaction action, hangup;
    memset(&action, 0, sizeof action);
    if (isatty(STDERR_FILENO) == 1)
        interrupt_words = words;
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* Under nohup the run is meant to outlive its terminal. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGXFSZ, &action, NULL);
}

bool machine_interrupted(void)
{
    return interrupts != 0;
}
