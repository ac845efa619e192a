/* The log of a run (log.h). Numbers have nine digits, so f32 values can be compared bit for
 * bit. */
#include "log.h"

#include "file.h"
#include "folder.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool remember(gpt_log *log, double train, double held_out)
{
    float *t = heed__grow(NULL, log->train, &log->train_capacity, log->count + 1, sizeof *t);
    if (t)
        log->train = t;
    float *h =
        heed__grow(NULL, log->held_out, &log->held_out_capacity, log->count + 1, sizeof *h);
    if (h)
        log->held_out = h;
    if (!t || !h)
        return false;
    log->train[log->count] = (float)train;
    log->held_out[log->count] = (float)held_out;
    log->count++;
    return true;
}

/* Reads one line; false if it is not the whole line of that step. */
static bool read_line(const char *bytes, size_t size, int64_t step, double *train,
                      double *held_out)
{
    heed__json json;
    int64_t number = 0;
    *train = *held_out = NAN;
    heed__json_begin(&json, bytes, size, 1, NULL);
    if (heed__json_next(&json) != HEED__JSON_OBJECT)
        heed__json_fail(&json, "expected an object");
    while (heed__json_next(&json) == HEED__JSON_KEY) {
        bool is_step = heed__json_is(&json, "step");
        bool is_train = heed__json_is(&json, "train_loss");
        bool is_held_out = heed__json_is(&json, "val_loss");
        heed__json_next(&json);
        if (is_step)
            heed__json_integer(&json, 1, INT64_MAX, &number);
        else if (is_train || is_held_out)
            heed__json_double(&json, is_train ? train : held_out);
        else
            heed__json_skip(&json);
    }
    return heed__json_end(&json, NULL, 0) && number == step;
}

/* Opens the file and claims it. */
static bool claim(gpt_log *log, char *error, size_t error_size)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    log->file = open(log->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (log->file < 0)
        return heed__say(error, error_size, "cannot write %s: %s", log->path, strerror(errno));
    if (fcntl(log->file, F_SETLK, &lock) == 0 || (errno != EACCES && errno != EAGAIN))
        return true;
    close(log->file);
    log->file = -1;
    return heed__say(error, error_size, "another gpt train is at work on %s", log->path);
}

/* Replaces the file by its lines 1 .. steps. */
static bool cut(gpt_log *log, int64_t steps, char *error, size_t error_size)
{
    unsigned char *bytes;
    size_t size, kept = 0;
    double train, held_out;
    if (!heed__file_read(log->path, NULL, &bytes, &size, error, error_size))
        return false;
    for (int64_t step = 1; step <= steps; step++) {
        const char *line = (const char *)bytes + kept;
        const char *end = memchr(line, '\n', size - kept);
        if (!end || !read_line(line, (size_t)(end - line), step, &train, &held_out))
            break;
        if (!remember(log, train, held_out)) {
            heed__release(NULL, bytes, size);
            return heed__say(error, error_size, "not enough memory to read %s", log->path);
        }
        kept += (size_t)(end - line) + 1;
    }
    bool good = true;
    if (kept < size) {
        heed__writer writer;
        heed__writer_begin(&writer, log->path, NULL);
        heed__writer_add(&writer, bytes, kept);
        good = heed__writer_commit(&writer, error, error_size);
    }
    heed__release(NULL, bytes, size);
    return good;
}

bool log_open(gpt_log *log, const char *folder, int64_t steps, char *error, size_t error_size)
{
    *log = (gpt_log){ .file = -1 };
    if (!folder_path(log->path, sizeof log->path, folder, "log.jsonl", error, error_size) ||
        !claim(log, error, error_size))
        return false;
    if (!cut(log, steps, error, error_size)) {
        log_close(log);
        return false;
    }
    /* The cut may have put another file in its place, and reading it has given up the claim. */
    close(log->file);
    return claim(log, error, error_size);
}

bool log_add(gpt_log *log, const log_line *line, char *error, size_t error_size)
{
    char text[512], evaluated[64] = "";
    if (!isnan(line->val_loss))
        snprintf(evaluated, sizeof evaluated, ",\"val_loss\":%.9g", line->val_loss);
    int size = snprintf(text, sizeof text,
                        "{\"step\":%lld,\"train_loss\":%.9g,\"lr\":%.9g,\"grad_norm\":%.9g,"
                        "\"ms\":%.9g,\"tokens_per_s\":%.9g%s}\n",
                        (long long)line->step, line->train_loss, line->lr, line->grad_norm,
                        line->ms, line->tokens_per_s, evaluated);
    for (int done = 0; done < size;) {
        ssize_t wrote = write(log->file, text + done, (size_t)(size - done));
        if (wrote < 0 && errno != EINTR)
            return heed__say(error, error_size, "cannot write %s: %s", log->path,
                             strerror(errno));
        if (wrote > 0)
            done += (int)wrote;
    }
    if (!remember(log, line->train_loss, line->val_loss))
        return heed__say(error, error_size, "not enough memory for the curve of losses");
    return true;
}

bool log_sync(gpt_log *log, char *error, size_t error_size)
{
    if (fsync(log->file) != 0 && errno != EINVAL)
        return heed__say(error, error_size, "cannot write %s: %s", log->path, strerror(errno));
    return true;
}

void log_close(gpt_log *log)
{
    if (log->file >= 0)
        close(log->file);
    heed__release(NULL, log->train, log->train_capacity * sizeof *log->train);
    heed__release(NULL, log->held_out, log->held_out_capacity * sizeof *log->held_out);
    *log = (gpt_log){ .file = -1 };
}
