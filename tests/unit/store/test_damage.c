/* Files of bindings that are flipped, cut, zeroed or swapped: what is intact is found, nothing
 * else. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/store/dir.h"

/* One segment with the versions 1 to LAST of AORs 0 to 7, in this order. */
#define LAST 24

struct image {
    struct test_dir dir;
    char path[2 * TEST_PATH];
    char *bytes;
    size_t n;
};

static void load(struct image *m, const char *name)
{
    struct stat st;
    int fd;

    snprintf(m->path, sizeof(m->path), "%s/bindings/%s", m->dir.state, name);
    fd = open(m->path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    m->n = (size_t)st.st_size;
    m->bytes = malloc(m->n);
    assert_int_equal(read(fd, m->bytes, m->n), m->n);
    close(fd);
}

/* Puts bytes in the file's place. */
static void store_bytes(const struct image *m, const char *bytes, size_t n)
{
    int fd = open(m->path, O_WRONLY | O_TRUNC | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static int next_of_eight(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    static char name[8], room[1024];
    unsigned *at = ctx;

    if (*at == 8)
        return OH_E_ABSENT;
    snprintf(name, sizeof(name), "u%u", *at);
    *aor = oh_span_str(name);
    *version = LAST - 7 + (*at)++;
    *record = test_body(*at - 1, *version, room);
    return OH_OK;
}

static void make_image(struct image *m, bool snapshot)
{
    struct test_seen seen;
    struct oh__store *s;
    unsigned at = 0;

    memset(m, 0, sizeof(*m));
    test_dir_make(&m->dir);
    s = test_dir_open(&m->dir, 1, 16384);
    for (unsigned v = 1; v <= LAST; v++)
        assert_int_equal(test_append(oh__store_journal(s, 0), (v - 1) % 8, v), OH_OK);
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    oh__store_close(s);
    if (snapshot) {
        s = test_dir_open(&m->dir, 1, 16384);
        assert_int_equal(test_replay(&m->dir, s, &seen), OH_OK);
        assert_int_equal(oh__store_compact(s, next_of_eight, &at), OH_OK);
        oh__store_close(s);
    }
    load(m, snapshot ? "snapshot" : "0-1.log");
}

static void drop_image(struct image *m)
{
    free(m->bytes);
    test_dir_remove(&m->dir);
}

/* Opens and replays; nothing wrong may be seen, whatever is missing. */
static int look(struct image *m, struct test_seen *seen)
{
    struct oh__store_options options = {.dir = m->dir.state, .read_only = true};
    struct oh__store *s;
    int rc = oh__store_open(&options, &s, m->dir.why);

    assert_int_equal(rc, OH_OK);
    rc = test_replay(&m->dir, s, seen);
    assert_int_equal(seen->wrong, 0);
    oh__store_close(s);
    return rc;
}

static bool complete(const struct test_seen *seen)
{
    for (unsigned i = 0; i < 8; i++)
        if (seen->version[i] != LAST - 7 + i)
            return false;
    return true;
}

/* Where record v (from 1) begins in the segment, by the format that record.h describes. */
static size_t record_at(unsigned v)
{
    char room[1024];
    size_t at = 64;

    for (unsigned i = 1; i < v; i++)
        at += (32 + 2 + test_body((i - 1) % 8, i, room).n + 7) / 8 * 8;
    return at;
}

static void every_truncation_keeps_what_is_before_it(void **state)
{
    struct image m;
    struct test_seen seen;

    (void)state;
    make_image(&m, false);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_true(complete(&seen));
    for (unsigned v = 1; v <= LAST; v++) {
        for (int cut = -8; cut <= 8; cut += 4) {
            unsigned whole = cut < 0 ? v - 2 : v - 1;

            store_bytes(&m, m.bytes, record_at(v) + (size_t)cut);
            assert_int_equal(look(&m, &seen), OH_OK);
            assert_string_equal(m.dir.why, ""); /* a torn tail is nothing special */
            for (unsigned i = 0; i < 8 && v > 1; i++) {
                unsigned expected = 0;

                for (unsigned w = 1; w <= whole; w++)
                    expected = (w - 1) % 8 == i ? w : expected;
                assert_int_equal(seen.version[i], expected);
            }
        }
    }
    drop_image(&m);
}

static void every_flipped_byte_costs_one_record(void **state)
{
    struct image m;
    struct test_seen seen;
    size_t end = record_at(LAST + 1);

    (void)state;
    make_image(&m, false);
    for (size_t i = 64; i < end; i += 13) {
        unsigned v = 1;

        while (record_at(v + 1) <= i)
            v++;
        m.bytes[i] = (char)(m.bytes[i] ^ 0x41);
        store_bytes(&m, m.bytes, m.n);
        m.bytes[i] = (char)(m.bytes[i] ^ 0x41);
        assert_int_equal(look(&m, &seen), OH_OK);
        /* All but the one that was hit are there; the zeros behind a record belong to nobody. */
        for (unsigned k = 0; k < 8; k++) {
            unsigned expected = LAST - 7 + k;

            assert_true(seen.version[k] == expected ||
                        (expected == v && seen.version[k] == expected - 8));
        }
        if (v < LAST && !complete(&seen))
            assert_non_null(strstr(m.dir.why, "bindings/0-1.log is damaged"));
    }
    drop_image(&m);
}

static void zeroed_blocks(void **state)
{
    struct image m;
    struct test_seen seen;
    char *copy;

    (void)state;
    make_image(&m, false);
    copy = malloc(m.n);
    for (size_t at = 512; at + 512 <= record_at(LAST + 1); at += 512) {
        memcpy(copy, m.bytes, m.n);
        memset(copy + at, 0, 512);
        store_bytes(&m, copy, m.n);
        assert_int_equal(look(&m, &seen), OH_OK);
        /* The first records are before the hole, the last ones behind it. */
        assert_true(seen.version[0] >= 1);
        if (at + 512 <= record_at(LAST))
            assert_int_equal(seen.version[7], LAST);
    }
    memset(copy, 0, m.n);
    store_bytes(&m, copy, m.n);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_int_equal(seen.calls, 0);
    assert_string_equal(m.dir.why, "");
    free(copy);
    drop_image(&m);
}

/* Whatever byte of the head is hit, the first record tells what the sums start from. */
static void a_damaged_head_costs_nothing(void **state)
{
    struct image m;
    struct test_seen seen;

    (void)state;
    make_image(&m, false);
    for (size_t i = 0; i < 64; i++) {
        m.bytes[i] = (char)(m.bytes[i] ^ 1);
        store_bytes(&m, m.bytes, m.n);
        m.bytes[i] = (char)(m.bytes[i] ^ 1);
        assert_int_equal(look(&m, &seen), OH_OK);
        assert_true(complete(&seen));
        assert_non_null(strstr(m.dir.why, "damaged head"));
    }
    memset(m.bytes, 'x', 64);
    store_bytes(&m, m.bytes, m.n);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_true(complete(&seen));
    drop_image(&m);
}

/* Together with the first record it costs the segment: in later places anybody may have written. */
static void head_and_first_record(void **state)
{
    struct image m;
    struct test_seen seen;

    (void)state;
    make_image(&m, false);
    memset(m.bytes, 'x', 80);
    store_bytes(&m, m.bytes, m.n);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_int_equal(seen.calls, 0);
    assert_non_null(strstr(m.dir.why, "its head"));
    drop_image(&m);
}

/*
 * The newest file's head does not count for the generation then, its records do: what is appended
 * afterwards must stay above the floor of the snapshot, or the next start would leave it out.
 */
static void appends_after_a_mended_snapshot(void **state)
{
    struct image m;
    struct test_seen seen;
    struct oh__store *s;

    (void)state;
    make_image(&m, true);
    m.bytes[30] = (char)(m.bytes[30] ^ 1);
    store_bytes(&m, m.bytes, m.n);
    /* No other file is left that would know the generation. */
    (void)unlink(test_dir_path(&m.dir, "state/bindings/0-1.log"));
    s = test_dir_open(&m.dir, 1, 16384);
    assert_int_equal(test_replay(&m.dir, s, &seen), OH_OK);
    assert_true(complete(&seen));
    assert_int_equal(test_append(oh__store_journal(s, 0), 3, 1000), OH_OK);
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    oh__store_close(s);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_int_equal(seen.version[3], 1000);
    drop_image(&m);
}

static void random_rubbish(void **state)
{
    struct image m;
    struct test_seen seen;
    unsigned seed = 7;
    char *copy;

    (void)state;
    make_image(&m, false);
    copy = malloc(m.n);
    for (int round = 0; round < 60; round++) {
        memcpy(copy, m.bytes, m.n);
        for (int hit = 0; hit < 1 + round; hit++)
            copy[64 + (unsigned)rand_r(&seed) % (m.n - 64)] = (char)rand_r(&seed);
        store_bytes(&m, copy, (unsigned)rand_r(&seed) % 2 ? m.n : (unsigned)rand_r(&seed) % m.n);
        assert_int_equal(look(&m, &seen), OH_OK);
    }
    free(copy);
    drop_image(&m);
}

static void snapshots(void **state)
{
    struct image m;
    struct test_seen seen;

    (void)state;
    make_image(&m, true);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_true(complete(&seen));
    assert_string_equal(m.dir.why, "");
    for (size_t n = 0; n < m.n; n += 11) {
        store_bytes(&m, m.bytes, n);
        assert_int_equal(look(&m, &seen), OH_OK);
        assert_non_null(strstr(m.dir.why, "bindings/snapshot is damaged"));
        assert_true(seen.calls <= 8);
    }
    for (size_t i = 0; i < m.n; i += 11) {
        m.bytes[i] = (char)(m.bytes[i] ^ 0x10);
        store_bytes(&m, m.bytes, m.n);
        m.bytes[i] = (char)(m.bytes[i] ^ 0x10);
        assert_int_equal(look(&m, &seen), OH_OK);
        assert_true(seen.calls == (i < 64 || complete(&seen) ? 8 : 7));
        if (i < 64)
            assert_non_null(strstr(m.dir.why, "bindings/snapshot has a damaged head"));
        else if (seen.calls < 8)
            assert_non_null(strstr(m.dir.why, "bindings/snapshot is damaged"));
    }
    drop_image(&m);
}

/* A newer program's file is not touched, and said so. */
static void newer_formats(void **state)
{
    struct oh__store_options options = {.read_only = true};
    struct oh__store *s;
    struct image m;
    uint32_t crc;

    (void)state;
    make_image(&m, true);
    m.bytes[8] = 2;
    crc = 0;
    /* The head's sum, as record.h has it, over what was changed. */
    for (size_t i = 0; i < 60; i++) {
        crc = (i ? crc : ~0u) ^ (unsigned char)m.bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        m.bytes[60 + i] = (char)(crc >> 8 * i);
    store_bytes(&m, m.bytes, m.n);
    options.dir = m.dir.state;
    assert_int_equal(oh__store_open(&options, &s, m.dir.why), OH_E_VERSION);
    assert_non_null(strstr(m.dir.why, "newer offhook"));
    drop_image(&m);
}

/* After damage was found the next compaction writes everything anew. */
static void damage_is_healed_by_a_snapshot(void **state)
{
    struct image m;
    struct test_seen seen;
    struct oh__store *s;
    unsigned at = 0;

    (void)state;
    make_image(&m, true);
    store_bytes(&m, m.bytes, m.n - 9);
    s = test_dir_open(&m.dir, 1, 16384);
    assert_int_equal(test_replay(&m.dir, s, &seen), OH_OK);
    assert_string_not_equal(m.dir.why, "");
    assert_true(oh__store_wants_compaction(s));
    assert_int_equal(oh__store_compact(s, next_of_eight, &at), OH_OK);
    oh__store_close(s);
    assert_int_equal(look(&m, &seen), OH_OK);
    assert_string_equal(m.dir.why, "");
    assert_true(complete(&seen));
    drop_image(&m);
}

static int stop_at_once(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    (void)ctx, (void)aor, (void)version, (void)record;
    return OH_E_STALE;
}

static void a_visitor_may_stop(void **state)
{
    struct image m;
    struct oh__store *s;

    (void)state;
    make_image(&m, false);
    s = test_dir_open(&m.dir, 1, 16384);
    assert_int_equal(oh__store_replay(s, stop_at_once, NULL, m.dir.why), OH_E_STALE);
    assert_false(oh__store_wants_compaction(s));
    oh__store_close(s);
    drop_image(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_keeps_what_is_before_it),
        cmocka_unit_test(every_flipped_byte_costs_one_record),
        cmocka_unit_test(zeroed_blocks),
        cmocka_unit_test(a_damaged_head_costs_nothing),
        cmocka_unit_test(head_and_first_record),
        cmocka_unit_test(appends_after_a_mended_snapshot),
        cmocka_unit_test(random_rubbish),
        cmocka_unit_test(snapshots),
        cmocka_unit_test(newer_formats),
        cmocka_unit_test(damage_is_healed_by_a_snapshot),
        cmocka_unit_test(a_visitor_may_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
