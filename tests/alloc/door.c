/*
 * Every conformance case with the server short of memory: its first allocation
 * fails, then its second, and so on; each once alone and once with all that
 * follow. conformance_run_short says what must hold nevertheless.
 */
#include "alloc.h"

#include <stdio.h>
#include <string.h>

#include "conformance/harness.h"

/* Fails allocation `at` of a case; false when that went wrong. */
static bool fail_one(const struct conformance_case *c, size_t at, bool rest, size_t *failed)
{
    struct conformance_shortage shortage = {.at = at, .rest = rest};
    const char *ladder = "", *why = conformance_run_short(c, &shortage, &ladder);

    *failed = shortage.ended;
    if (!why)
        return true;
    printf("%s%s: allocation %zu%s fails: %s\n", ladder, c->name, at, rest ? " and all later" : "",
           why);
    return false;
}

/* All of a case's allocations; counts those that were failed. */
static bool fail_each(const struct conformance_case *c, const struct alloc_job *job, size_t *n)
{
    struct conformance_shortage none = {0};
    const char *ladder = "", *why = conformance_run_short(c, &none, &ladder);
    size_t failed;

    if (why) {
        printf("%s%s: without any shortage: %s\n", ladder, c->name, why);
        return false;
    }
    for (size_t at = 1; at <= none.made; at++)
        for (unsigned rest = 0; rest < 2; rest++) {
            if (!alloc_chosen(job))
                continue;
            if (!fail_one(c, at, rest, &failed))
                return false;
            *n += failed;
        }
    return true;
}

bool alloc_door(const struct alloc_job *job)
{
    bool well = true;

    for (size_t k = 0; conformance_chapter_at(k); k++) {
        const struct conformance_chapter *chapter = conformance_chapter_at(k);
        bool good = true;
        size_t n = 0;
        char name[64];

        snprintf(name, sizeof name, "conformance chapter %s", chapter->name);
        if (!alloc_wanted(job, name))
            continue;
        for (size_t i = 0; i < chapter->n && good; i++)
            good = fail_each(&chapter->cases[i], job, &n);
        alloc_result(good, n, "%s", name);
        well &= good;
    }
    return well;
}
