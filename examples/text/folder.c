/* Paths in folders, and folders that are made (folder.h). */
#include "folder.h"

#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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
