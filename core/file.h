/* The room that meets the file system: read a whole file, and replace a file so that a reader
 * sees the old one or the new one and never a part. Knows memory.h, text.h and POSIX; formats
 * are above it. */
#ifndef HEED_FILE_H
#define HEED_FILE_H

#include "memory.h"

/* Reads a regular file whole into memory of the allocator (NULL: libc); give it back with
 * heed__release(allocator, *data, *size). The size is asked once; a file that shrinks meanwhile
 * is an error and one that grows is read up to that size. On failure nothing is returned and
 * `error` says what and why: "cannot read run/model.safetensors: No such file or directory". */
bool heed__file_read(const char *path, const heed_allocator *allocator, unsigned char **data,
                     size_t *size, char *error, size_t error_size);

/* Replaces a file in one step: everything goes to PATH.tmp.PID in the same folder, which is
 * flushed and then renamed over PATH. Any failure removes that file and leaves PATH as it was;
 * the first one sticks, so only commit's answer need be looked at. Of a symbolic link what it
 * points to is replaced; what is no regular file (a folder, a device, a pipe) is refused.
 *
 *     heed__writer w;
 *     heed__writer_begin(&w, path, NULL);
 *     heed__writer_add(&w, bytes, size);
 *     if (!heed__writer_commit(&w, error, error_size)) ...
 *
 * A begun writer is ended by commit or by abandon, exactly once. */
typedef struct heed__writer {
    int file;
    char *path, *temporary;
    size_t path_bytes, temporary_bytes;
    const heed_allocator *allocator;
    bool failed;
    char sentence[512];
} heed__writer;

bool heed__writer_begin(heed__writer *writer, const char *path,
                        const heed_allocator *allocator);
bool heed__writer_add(heed__writer *writer, const void *bytes, size_t size);
bool heed__writer_commit(heed__writer *writer, char *error, size_t error_size);
void heed__writer_abandon(heed__writer *writer);

#endif
