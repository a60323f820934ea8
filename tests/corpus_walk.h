/* The files of a corpus, one after the other. */
#ifndef TESTS_CORPUS_WALK_H
#define TESTS_CORPUS_WALK_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <offhook/span.h>

struct corpus {
    const char *suffix;
    void (*each)(void *ctx, const char *name, struct oh_span bytes);
    void *ctx;
    size_t count;
};

static inline void file_walk(struct corpus *c, const char *path, const char *name, size_t size)
{
    FILE *f = fopen(path, "rb");
    char *bytes = malloc(size);

    if (f && bytes && fread(bytes, 1, size, f) == size) {
        c->each(c->ctx, name, oh_span(bytes, size));
        c->count++;
    }
    free(bytes);
    if (f)
        fclose(f);
}

static inline bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);

    return n >= s && memcmp(name + n - s, suffix, s) == 0;
}

/* Folders hold files or folders of files, so the depth is two. */
static inline void folder_walk(struct corpus *c, const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct stat st;
    char path[1024];

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            folder_walk(c, path, depth - 1);
        else if (S_ISREG(st.st_mode) && ends_with(entry->d_name, c->suffix))
            file_walk(c, path, entry->d_name, (size_t)st.st_size);
    }
    closedir(dir);
}

/*
 * Calls `each` for every file below tests/<folder> whose name ends in `suffix`; returns how many
 * there were. The bytes live in a block of their exact size until `each` returns.
 */
static inline size_t corpus_walk(const char *folder, const char *suffix,
                                 void (*each)(void *ctx, const char *name, struct oh_span bytes),
                                 void *ctx)
{
    struct corpus c = {suffix, each, ctx, 0};
    char path[512];

    snprintf(path, sizeof(path), OH_TEST_DATA "/%s", folder);
    folder_walk(&c, path, 2);
    return c.count;
}

#endif
