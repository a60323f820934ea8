/* A state directory for one test, and counted access to what replay finds in it. */
#ifndef OH_TESTS_UNIT_STORE_DIR_H
#define OH_TESTS_UNIT_STORE_DIR_H

#include "store/store.h"

#define TEST_PATH 512

struct test_dir {
    char root[TEST_PATH];  /* the test's own directory, under TMPDIR or /tmp */
    char state[TEST_PATH]; /* root/state, which does not exist yet */
    char why[OH__STORE_WHY];
};

/* Makes the root. Fails the test when it cannot. */
void test_dir_make(struct test_dir *d);

/* Removes the root and everything in it. */
void test_dir_remove(struct test_dir *d);

/* A path below the root; valid until the eighth call after this one. */
const char *test_dir_path(const struct test_dir *d, const char *name);

/* Opens the store of the state directory with small segments; fails the test when it cannot. */
struct oh__store *test_dir_open(struct test_dir *d, unsigned workers, uint32_t segment_bytes);

/* The highest versions and the bodies' sums that a replay gave, for AORs named "u0" to "u<max>". */
#define TEST_AORS 64
struct test_seen {
    uint64_t version[TEST_AORS];
    unsigned calls;
    unsigned wrong; /* AORs or bodies that nobody wrote */
};

/* The body that belongs to an AOR and a version: its length varies with both. */
struct oh_span test_body(unsigned aor, uint64_t version, char room[1024]);

/* Appends version of AOR number aor to a journal. */
int test_append(struct oh__journal *j, unsigned aor, uint64_t version);

/* Replays and checks every body. Returns oh__store_replay's result. */
int test_replay(struct test_dir *d, struct oh__store *store, struct test_seen *seen);

#endif
