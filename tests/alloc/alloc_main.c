/*
 * Each allocation failing in turn.
 *
 *     alloc [--every N [--first K]] [WORD]
 *
 * --every 17 tries each seventeenth failure, as tools/test does: always the same
 * ones, so that what it finds can be repeated; --first picks others. Without it
 * all are tried, which takes minutes. WORD picks parts by name.
 */
#include "alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

static unsigned at; /* failures that could have been tried so far */

bool alloc_chosen(const struct alloc_job *job)
{
    return at++ % job->every == job->first;
}

bool alloc_wanted(const struct alloc_job *job, const char *name)
{
    return !job->only || strstr(name, job->only);
}

void alloc_result(bool well, size_t n, const char *format, ...)
{
    char name[256];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    printf("%zu allocations failed in turn\n%s %s%s\n", n, well ? "ok" : "not ok", name,
           well ? "" : ": see above");
    fflush(stdout);
}

static int usage(void)
{
    fprintf(stderr, "usage: alloc [--every N [--first K]] [WORD]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct alloc_job job = {.every = 1};
    bool well;

    heap_hook_libraries();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--every") == 0 && i + 1 < argc)
            job.every = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
            job.first = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (argv[i][0] == '-' || job.only)
            return usage();
        else
            job.only = argv[i];
    }
    if (job.every == 0 || job.first >= job.every)
        return usage();
    well = alloc_makers(&job);
    well &= alloc_door(&job);
    return !well;
}
