#define _GNU_SOURCE

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/store/dir.h"

void test_dir_make(struct test_dir *d)
{
    const char *tmp = getenv("TMPDIR");

    memset(d, 0, sizeof(*d));
    snprintf(d->root, sizeof(d->root), "%.400s/oh_store_XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(d->root));
    snprintf(d->state, sizeof(d->state), "%.500s/state", d->root);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void test_dir_remove(struct test_dir *d)
{
    nftw(d->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_dir_path(const struct test_dir *d, const char *name)
{
    static char room[8][2 * TEST_PATH];
    static unsigned turn;
    char *to = room[turn++ % 8];

    snprintf(to, sizeof(room[0]), "%s/%s", d->root, name);
    return to;
}

struct oh__store *test_dir_open(struct test_dir *d, unsigned workers, uint32_t segment_bytes)
{
    struct oh__store_options options = {
        .dir = d->state,
        .workers = workers,
        .segment_bytes = segment_bytes,
    };
    struct oh__store *store = NULL;

    if (oh__store_open(&options, &store, d->why) != OH_OK)
        fail_msg("cannot open: %s", d->why);
    assert_string_equal(d->why, "");
    return store;
}

struct oh_span test_body(unsigned aor, uint64_t version, char room[1024])
{
    size_t n = (aor * 37 + version * 101) % 900;

    for (size_t i = 0; i < n; i++)
        room[i] = (char)(aor * 7 + version * 13 + i);
    return oh_span(room, n);
}

int test_append(struct oh__journal *j, unsigned aor, uint64_t version)
{
    char name[16], room[1024];

    snprintf(name, sizeof(name), "u%u", aor);
    return oh__journal_append(j, oh_span_str(name), version, test_body(aor, version, room));
}

static int see(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct test_seen *seen = ctx;
    char room[1024];
    uint32_t n;

    seen->calls++;
    if (aor.n < 2 || aor.p[0] != 'u' ||
        oh_span_u32(oh_span_from(aor, 1), TEST_AORS - 1, &n) != OH_OK ||
        !oh_span_eq(record, test_body(n, version, room)) || version <= seen->version[n])
        seen->wrong++;
    else
        seen->version[n] = version;
    return OH_OK;
}

int test_replay(struct test_dir *d, struct oh__store *store, struct test_seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    return oh__store_replay(store, see, seen, d->why);
}
