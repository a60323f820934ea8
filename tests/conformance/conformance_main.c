/*
 * Runs the conformance cases.
 *
 *     conformance [-v] [-l] [WORD ...]
 *
 * WORD picks cases whose chapter, rows or name contain it; -l lists them, -v shows each message as
 * it passes. Prints `ok ROWS name` or, after the ladder of messages, `not ok ROWS name: why`.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

static bool wanted(const struct conformance_chapter *chapter, const struct conformance_case *c,
                   int words, char **word)
{
    int any = 0;

    for (int i = 0; i < words; i++) {
        if (word[i][0] == '-')
            continue;
        any = 1;
        if (strstr(chapter->name, word[i]) || strstr(c->rows, word[i]) || strstr(c->name, word[i]))
            return true;
    }
    return !any;
}

static bool run(const struct conformance_case *c, unsigned verbose)
{
    const char *ladder = "", *why = conformance_run(c, verbose, &ladder);

    if (!why) {
        printf("ok %s %s\n", c->rows, c->name);
        return true;
    }
    printf("%snot ok %s %s: %s\n", ladder, c->rows, c->name, why);
    return false;
}

int main(int argc, char **argv)
{
    unsigned verbose = 0, ran = 0, failed = 0;
    const struct conformance_chapter *chapter;
    bool list = false;

    for (int i = 1; i < argc; i++) {
        list |= strcmp(argv[i], "-l") == 0;
        verbose += strcmp(argv[i], "-v") == 0;
    }
    for (size_t k = 0; (chapter = conformance_chapter_at(k)) != NULL; k++) {
        for (size_t i = 0; i < chapter->n; i++) {
            const struct conformance_case *c = &chapter->cases[i];

            if (!wanted(chapter, c, argc - 1, argv + 1))
                continue;
            ran++;
            if (list)
                printf("%s: %s %s\n", chapter->name, c->rows, c->name);
            else
                failed += !run(c, verbose);
        }
    }
    if (ran == 0)
        fprintf(stderr, "conformance: no case has that name\n");
    return ran == 0 || failed > 0;
}
