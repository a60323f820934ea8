/*
 * The libFuzzer side of a harness. With the argument --seeds=DIRECTORY the
 * program writes the harness's seeds there, which then are the first corpus,
 * prints how long an input may be, and ends; so seeds are made when they are
 * needed and stored nowhere.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "fuzz.h"

/* What libFuzzer calls, and its own mutations. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

struct fuzz_seeds {
    const char *folder;
};

/* Named after what is in it, so that equal seeds are one file. */
void fuzz_seed(struct fuzz_seeds *to, struct oh_span bytes)
{
    static const struct oh__hash_key key = {1, 2};
    char path[1024];
    FILE *f;

    if (bytes.n > fuzz_harness.max)
        return;
    snprintf(path, sizeof path, "%s/seed-%016" PRIx64, to->folder, oh__hash(&key, bytes));
    f = fopen(path, "wb");
    if (!f || fwrite(bytes.p, 1, bytes.n, f) != bytes.n || fclose(f) != 0)
        fuzz_fail("cannot write %s", path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char option[] = "--seeds=";

    for (int i = 1; i < *argc; i++) {
        const char *arg = (*argv)[i];

        if (strncmp(arg, option, sizeof option - 1) != 0)
            continue;
        fuzz_harness.seeds(&(struct fuzz_seeds){arg + sizeof option - 1});
        printf("%zu\n", fuzz_harness.max);
        exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_harness.run(oh_span((const char *)data, size));
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    /* Half of the time blind changes: they find what nobody thought of. */
    if (!fuzz_harness.mutate || size == 0 || seed % 2)
        return LLVMFuzzerMutate(data, size, max_size);
    return fuzz_harness.mutate((char *)data, size, max_size, seed / 2);
}
