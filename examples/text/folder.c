/* Paths in folders, folders that are made, files of them (folder.h). */
#include "folder.h"

#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool folder_path(char *path, size_t path_size, const char *folder, const char *name,
                 char *error, size_t error_size)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    int size = snprintf(path, path_size, "%s%s%s", folder, slash, name);
    if (size < 0 || (size_t)size >= path_size)
        return heed__say(error, error_size, "the name of the folder is too long");
    return true;
}

bool folder_make(const char *folder, char *error, size_t error_size)
{
    char path[4096];
    struct stat status;
    if (!folder_path(path, sizeof path, folder, "", error, error_size))
        return false;
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return heed__say(error, error_size, "cannot make the folder %s: %s", path,
                             strerror(errno));
        *at = '/';
    }
    if (stat(path, &status) != 0)
        return heed__say(error, error_size, "cannot make the folder %s: %s", folder,
                         strerror(errno));
    return true;
}

bool folder_make_own(const char *folder, bool *made, char *error, size_t error_size)
{
    struct stat status;
    *made = stat(folder, &status) != 0;
    return folder_make(folder, error, error_size);
}

bool folder_holds(const char *folder, const char *const *names, size_t count)
{
    char path[4096];
    struct stat status;
    for (size_t i = 0; i < count; i++) {
        if (folder_path(path, sizeof path, folder, names[i], NULL, 0) &&
            lstat(path, &status) == 0)
            return true;
    }
    return false;
}

void folder_sweep(const char *folder, const char *const *names, size_t count)
{
    char path[4096];
    DIR *directory = opendir(folder);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        for (size_t i = 0; i < count; i++) {
            size_t size = strlen(names[i]);
            if (strncmp(entry->d_name, names[i], size) == 0 &&
                strncmp(entry->d_name + size, ".tmp.", 5) == 0 &&
                folder_path(path, sizeof path, folder, entry->d_name, NULL, 0))
                unlink(path);
        }
    }
    closedir(directory);
}

void folder_undo(const char *folder, bool made, const char *const *names, size_t count)
{
    char path[4096];
    for (size_t i = 0; i < count; i++) {
        if (folder_path(path, sizeof path, folder, names[i], NULL, 0))
            unlink(path);
    }
    if (made)
        rmdir(folder);
}

static const char *const files_of_a_model[] = { "config.json", "model.safetensors",
                                                "vocabulary.json" };

enum { FILES_OF_A_MODEL = sizeof files_of_a_model / sizeof *files_of_a_model };

bool folder_is_free(const char *folder, char *error, size_t error_size)
{
    return !folder_holds(folder, files_of_a_model, FILES_OF_A_MODEL) ||
           heed__say(error, error_size,
                     "%s already holds a model: choose another folder with --out", folder);
}

void folder_undo_model(const char *folder, bool made)
{
    folder_undo(folder, made, files_of_a_model, FILES_OF_A_MODEL);
}

bool file_is_picture(const char *path, const char *name, char *error, size_t error_size)
{
    const char *ending = strrchr(path, '.');
    return (ending && strcmp(ending, ".svg") == 0) ||
           heed__say(error, error_size, "--%s must name a file .svg, not '%s'", name, path);
}

bool file_can_be_written(const char *path, char *error, size_t error_size)
{
    heed__writer writer;
    if (!heed__writer_begin(&writer, path, NULL))
        return heed__writer_commit(&writer, error, error_size);
    heed__writer_abandon(&writer);
    return true;
}

bool file_put_text(heed__text *text, const char *path, char *error, size_t error_size)
{
    heed__writer writer;
    if (text->failed) {
        heed__text_free(text);
        return heed__say(error, error_size, "cannot write %s: not enough memory", path);
    }
    heed__writer_begin(&writer, path, NULL);
    heed__writer_add(&writer, text->bytes, text->size);
    heed__text_free(text);
    return heed__writer_commit(&writer, error, error_size);
}
