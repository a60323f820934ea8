/*
 * What loading reads: the file itself, what it includes, secrets, variables of
 * the environment. All of it is kept with the snapshot, so that a worker that
 * runs the text later sees what was checked, even when the disk has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/config_parts.h"

/* Reads exactly what a regular file has, or fails. */
static int read_all(int fd, char *p, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = read(fd, p + done, n - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return OH_E_IO;
        done += (size_t)got;
    }
    return OH_OK;
}

/* Reads an open file, whose size is checked before a byte is read. */
static int read_open(int fd, size_t max, struct oh_arena *arena, struct oh_span *out,
                     char why[OH__CONFIG_WHY_MAX])
{
    struct stat st;
    char *p;
    size_t n;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        snprintf(why, OH__CONFIG_WHY_MAX, "is not a regular file");
        return OH_E_IO;
    }
    if ((uint64_t)st.st_size > max) {
        snprintf(why, OH__CONFIG_WHY_MAX, "is larger than %zu bytes", max);
        return OH_E_LIMIT;
    }
    n = (size_t)st.st_size;
    p = oh_arena_take(arena, n + 1);
    if (!p) {
        snprintf(why, OH__CONFIG_WHY_MAX, "does not fit into memory");
        return OH_E_NOMEM;
    }
    if (read_all(fd, p, n) != OH_OK) {
        snprintf(why, OH__CONFIG_WHY_MAX, "changed while it was read");
        return OH_E_IO;
    }
    p[n] = 0;
    *out = oh_span(p, n);
    return OH_OK;
}

int oh__config_read(const char *path, size_t max, struct oh_arena *arena, struct oh_span *out,
                    char why[OH__CONFIG_WHY_MAX])
{
    /* A named pipe must not hold us until somebody writes into it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int e;

    if (fd < 0) {
        snprintf(why, OH__CONFIG_WHY_MAX, "cannot be read: %s", strerror(errno));
        return OH_E_IO;
    }
    e = read_open(fd, max, arena, out, why);
    close(fd);
    return e;
}

struct oh__source *oh__config_source_find(const struct oh__config *config,
                                          enum oh__source_kind kind, const char *name)
{
    for (struct oh__source *s = config->sources; s; s = s->next) {
        if (s->kind == kind && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

struct oh__source *oh__config_source_add(struct oh__config *config, enum oh__source_kind kind,
                                         const char *name, struct oh_span text)
{
    struct oh__source *s = oh_arena_take(&config->arena, sizeof(*s));
    struct oh_span copy = oh_arena_copy(&config->arena, oh_span(name, strlen(name) + 1));
    struct oh__source **end = &config->sources;

    if (!s || !copy.p)
        return NULL;
    *s = (struct oh__source){.kind = kind, .name = copy.p, .text = text};
    while (*end)
        end = &(*end)->next;
    *end = s;
    return s;
}
