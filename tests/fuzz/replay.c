/*
 * The plain side of a harness, for any compiler and without an engine.
 *
 *   replay_NAME              every seed, and every file of tests/fuzz/regressions/NAME
 *   replay_NAME FILE...      these inputs
 *
 * One line for each test, as tools/test reads them. An input that fails stops
 * the program; the last line before tells which one it was.
 */
#include "corpus_walk.h"
#include "fuzz.h"

struct fuzz_seeds {
    unsigned n;
};

void fuzz_seed(struct fuzz_seeds *to, struct oh_span bytes)
{
    char *exact = malloc(bytes.n ? bytes.n : 1);

    if (!exact)
        fuzz_fail("no memory for a seed");
    if (bytes.n)
        memcpy(exact, bytes.p, bytes.n);
    fuzz_harness.run(oh_span(exact, bytes.n));
    free(exact);
    to->n++;
}

static void replay(void *ctx, const char *name, struct oh_span bytes)
{
    (void)ctx;
    printf("replaying %s, %zu bytes\n", name, bytes.n);
    fuzz_harness.run(bytes);
    printf("ok %s\n", name);
}

int main(int argc, char **argv)
{
    struct corpus files = {"", replay, NULL, 0};
    struct fuzz_seeds seeds = {0};
    char folder[256];
    struct stat st;

    for (int i = 1; i < argc; i++)
        if (stat(argv[i], &st) == 0)
            file_walk(&files, argv[i], argv[i], (size_t)st.st_size);
    if (argc > 1)
        return files.count == (size_t)(argc - 1) ? 0 : 2;
    printf("replaying the seeds of %s\n", fuzz_harness.name);
    fuzz_harness.seeds(&seeds);
    printf("%s\n", seeds.n ? "ok all seeds pass" : "not ok seeds: there are none");
    snprintf(folder, sizeof folder, "fuzz/regressions/%s", fuzz_harness.name);
    corpus_walk(folder, "", replay, NULL);
    return seeds.n ? 0 : 1;
}
