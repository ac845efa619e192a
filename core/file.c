/* Reading a file whole and replacing one atomically. Knows memory.h, text.h and POSIX. */
#define _XOPEN_SOURCE 700 /* POSIX 2008, with realpath */

#include "file.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux transfers at most about 2 GiB a call; asking for less keeps every count well inside
 * ssize_t. */
#define TRANSFER ((size_t)1 << 30)

static bool cannot(const char *what, const char *path, const char *why, char *error,
                   size_t size)
{
    return heed__say(error, size, "cannot %s %s: %s", what, path, why);
}

static bool read_all(int file, unsigned char *data, size_t size, const char **why)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(file, data + done, size - done < TRANSFER ? size - done : TRANSFER);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            *why = got < 0 ? strerror(errno) : "it became shorter while it was read";
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

bool heed__file_read(const char *path, const heed_allocator *allocator, unsigned char **data,
                     size_t *size, char *error, size_t error_size)
{
    /* O_NONBLOCK: opening a named pipe must not wait for its other end; regular files ignore
     * it. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return cannot("read", path, strerror(errno), error, error_size);

    const char *why = NULL;
    unsigned char *memory = NULL;
    size_t bytes = 0;
    struct stat status;
    if (fstat(file, &status) != 0) {
        why = strerror(errno);
    } else if (!S_ISREG(status.st_mode)) {
        why = S_ISDIR(status.st_mode) ? "it is a folder" : "it is not a regular file";
    } else if (status.st_size < 0 || (uintmax_t)status.st_size > PTRDIFF_MAX) {
        why = "it is too large for this machine";
    } else {
        bytes = (size_t)status.st_size;
        memory = heed__allocate(allocator, bytes);
        if (!memory)
            why = "not enough memory for its contents";
        else
            read_all(file, memory, bytes, &why);
    }
    close(file);
    if (why) {
        heed__release(allocator, memory, bytes);
        return cannot("read", path, why, error, error_size);
    }
    *data = memory;
    *size = bytes;
    return true;
}

/* The first failure sticks; what was written so far is removed at the end. */
static bool writer_fail(heed__writer *writer, const char *path, const char *why)
{
    if (!writer->failed)
        cannot("write", path, why, writer->sentence, sizeof writer->sentence);
    writer->failed = true;
    return false;
}

/* The names of the file and of the temporary one beside it. */
static bool take_names(heed__writer *writer, const char *path)
{
    size_t length = strlen(path);
    writer->path_bytes = length + 1;
    writer->temporary_bytes = length + 32;
    writer->path = heed__allocate(writer->allocator, writer->path_bytes);
    writer->temporary = heed__allocate(writer->allocator, writer->temporary_bytes);
    if (!writer->path || !writer->temporary)
        return writer_fail(writer, path, "not enough memory for its name");
    memcpy(writer->path, path, length + 1);
    snprintf(writer->temporary, writer->temporary_bytes, "%s.tmp.%ld", path, (long)getpid());
    return true;
}

/* A link stays, and what it points to is replaced. */
static bool take_linked_names(heed__writer *writer, const char *path)
{
    char *target = realpath(path, NULL);
    if (!target)
        return writer_fail(writer, path, strerror(errno));
    bool taken = take_names(writer, target);
    free(target);
    return taken;
}

bool heed__writer_begin(heed__writer *writer, const char *path, const heed_allocator *allocator)
{
    *writer = (heed__writer){ .file = -1, .allocator = allocator };
    struct stat status;
    bool linked = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    if (!(linked ? take_linked_names(writer, path) : take_names(writer, path)))
        return false;

    /* A folder in that place is found now, before a long computation's result is written in
     * vain; and a device or a named pipe is not to be replaced by a file. */
    bool exists = stat(writer->path, &status) == 0;
    if (exists && !S_ISREG(status.st_mode))
        return writer_fail(writer, path,
                           S_ISDIR(status.st_mode) ? strerror(EISDIR)
                                                   : "it is not a regular file");

    /* One of this name can only be left from a process that is gone. */
    unlink(writer->temporary);
    writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer->file < 0)
        return writer_fail(writer, path, strerror(errno));
    /* Who may read it stays as it was; a file system without this notion has nothing to keep. */
    if (exists)
        (void)fchmod(writer->file, status.st_mode & 0777);
    return true;
}

bool heed__writer_add(heed__writer *writer, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0 && !writer->failed) {
        ssize_t put = write(writer->file, from, size < TRANSFER ? size : TRANSFER);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return writer_fail(writer, writer->path, strerror(put < 0 ? errno : EIO));
        from += put;
        size -= (size_t)put;
    }
    return !writer->failed;
}

/* Makes the rename last: a folder is flushed like a file. Cutting the writer's own copy of the
 * path short is safe, for it is needed no more. */
static bool flush_folder(heed__writer *writer, const char **why)
{
    const char *folder = ".";
    char *slash = strrchr(writer->path, '/');
    if (slash == writer->path) {
        folder = "/";
    } else if (slash) {
        *slash = '\0';
        folder = writer->path;
    }
    int file = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (file < 0 && errno == EACCES)
        return true; /* a folder may be writable but not readable: nothing to flush then */
    bool done = file >= 0 && fsync(file) == 0;
    if (file >= 0 && !done && (errno == EINVAL || errno == ENOTSUP || errno == ENOSYS))
        done = true; /* a file system without this notion */
    if (!done)
        *why = strerror(errno);
    if (file >= 0)
        close(file);
    return done;
}

static void writer_end(heed__writer *writer)
{
    if (writer->file >= 0)
        close(writer->file);
    if (writer->failed && writer->file >= 0)
        unlink(writer->temporary);
    heed__release(writer->allocator, writer->path, writer->path_bytes);
    heed__release(writer->allocator, writer->temporary, writer->temporary_bytes);
    writer->path = writer->temporary = NULL;
    writer->file = -1;
}

bool heed__writer_commit(heed__writer *writer, char *error, size_t error_size)
{
    /* A failed fsync is final: Linux forgets the dirty pages, so a second one would wrongly
     * succeed. */
    if (!writer->failed && fsync(writer->file) != 0)
        writer_fail(writer, writer->path, strerror(errno));
    if (!writer->failed) {
        int closed = close(writer->file);
        if (closed != 0 && errno != EINTR)
            writer_fail(writer, writer->path, strerror(errno));
        else if (rename(writer->temporary, writer->path) != 0)
            writer_fail(writer, writer->path, strerror(errno));
        if (writer->failed)
            unlink(writer->temporary);
        writer->file = -1;
    }
    bool committed = !writer->failed;
    if (!committed)
        heed__say(error, error_size, "%s", writer->sentence);
    const char *why = NULL;
    if (committed && !flush_folder(writer, &why)) {
        heed__say(error, error_size, "%s was written, but its folder could not be flushed: %s",
                  writer->path, why);
        committed = false;
    }
    writer_end(writer);
    return committed;
}

void heed__writer_abandon(heed__writer *writer)
{
    writer->failed = true;
    writer_end(writer);
}
