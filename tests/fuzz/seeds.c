/* What both programs of a harness share: failing, and reading seeds out of the corpora. */
#include <stdarg.h>

#include "corpus_walk.h"
#include "fuzz.h"

void fuzz_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

struct files {
    struct fuzz_seeds *to;
    struct oh_span head;
};

static void add_file(void *ctx, const char *name, struct oh_span bytes)
{
    struct files *f = ctx;
    char *p = malloc(f->head.n + bytes.n + 1);

    if (!p)
        fuzz_fail("no memory for the seed %s", name);
    if (f->head.n)
        memcpy(p, f->head.p, f->head.n);
    memcpy(p + f->head.n, bytes.p, bytes.n);
    fuzz_seed(f->to, oh_span(p, f->head.n + bytes.n));
    free(p);
}

void fuzz_seed_files(struct fuzz_seeds *to, const char *folder, const char *suffix,
                     struct oh_span head)
{
    struct files files = {to, head};

    /* Seeds that are not found would make the fuzzer weak without anybody noticing. */
    if (corpus_walk(folder, suffix, add_file, &files) == 0)
        fuzz_fail("no seeds in tests/%s", folder);
}
