/* A tool of the build: writes the files it is given, one after the other, as a C array that
 * the program carries with it. Knows libc; runs on the machine that builds.
 *
 *     embed OUTPUT FILE... */
#include <stdio.h>
#include <string.h>

/* The text is for a model to learn, so it is printable ASCII and line ends: a few odd
 * characters would only bloat the vocabulary. */
static int plain(int byte)
{
    return byte == '\n' || (byte >= ' ' && byte <= '~');
}

static int add_file(const char *path, FILE *to, size_t *size)
{
    int byte;
    FILE *from = fopen(path, "rb");
    if (!from) {
        perror(path);
        return 0;
    }
    while ((byte = fgetc(from)) != EOF) {
        if (!plain(byte))
            continue;
        fprintf(to, *size % 24 == 23 ? "%d,\n" : "%d,", byte);
        *size += 1;
    }
    int good = !ferror(from);
    fclose(from);
    return good;
}

int main(int count, char **arguments)
{
    size_t size = 0;
    if (count < 3) {
        fputs("usage: embed OUTPUT FILE...\n", stderr);
        return 2;
    }
    FILE *to = fopen(arguments[1], "wb");
    if (!to) {
        perror(arguments[1]);
        return 1;
    }
    fputs("#include \"builtin.h\"\n\nconst unsigned char builtin_text[] = {\n", to);
    for (int i = 2; i < count; i++) {
        if (!add_file(arguments[i], to, &size)) {
            fclose(to);
            remove(arguments[1]);
            return 1;
        }
    }
    fprintf(to, "0 };\n\nconst size_t builtin_size = %lu;\n", (unsigned long)size);
    if (fclose(to) != 0) {
        perror(arguments[1]);
        return 1;
    }
    return 0;
}
