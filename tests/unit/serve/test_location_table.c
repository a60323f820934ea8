/* The location table as a whole: cursors, journals, records from files, a failing heap, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <cmocka.h>

#include "store/store.h"
#include "unit/alloc_fail.h"
#include "unit/serve/location_fixture.h"

/* ---- cursors ---- */

#define MANY 20000

static void put_many(struct fixture *f, unsigned from, unsigned to, uint32_t cseq, unsigned seconds)
{
    struct oh__binding b = contact("sip:phone@10.0.0.1", seconds);
    char aor[40];

    for (unsigned i = from; i < to; i++) {
        snprintf(aor, sizeof(aor), "user%u@example.test", i);
        b.flow.peer.ip[2] = (uint8_t)(i >> 8);
        b.flow.peer.ip[3] = (uint8_t)i;
        assert_int_equal(reg(f, aor, "call", cseq, 1, &b), OH_OK);
        oh_arena_reset(&f->arena);
    }
}

/* Walks the whole table, doing something halfway; counts how often each user is seen. */
static void walk(struct fixture *f, uint8_t *seen, void (*halfway)(struct fixture *f))
{
    struct oh__location_cursor cursor = {0};
    struct oh_span aor;
    uint64_t version;
    uint32_t n, steps = 0;
    int rc;

    memset(seen, 0, 2 * MANY);
    while ((rc = oh__location_next(f->loc, &cursor, &f->arena, &aor, &version, &f->out)) == OH_OK) {
        struct oh_span digits = oh_span_head(oh_span_from(aor, 4), aor.n - 4 - 13);

        assert_int_equal(oh_span_u32(digits, 2 * MANY - 1, &n), OH_OK);
        seen[n]++;
        assert_int_equal(f->out.n, 1);
        assert_true(version > 0);
        oh_arena_reset(&f->arena);
        if (halfway && ++steps == MANY / 2)
            halfway(f);
    }
    assert_int_equal(rc, OH_E_ABSENT);
}

static void double_it(struct fixture *f)
{
    put_many(f, MANY, 2 * MANY, 1, 60);
}

static void halve_it(struct fixture *f)
{
    put_many(f, MANY, 2 * MANY, 2, 0);
}

static void cursors_see_everything_once(void **state)
{
    uint8_t *seen = malloc(2 * MANY);
    void (*const halfway[])(struct fixture * f) = {NULL, double_it, halve_it, NULL};
    struct oh__location_stats stats;
    struct fixture f;

    (void)state;
    begin(&f, 100000);
    put_many(&f, 0, MANY, 1, 60);
    for (size_t i = 0; i < sizeof(halfway) / sizeof(halfway[0]); i++) {
        walk(&f, seen, halfway[i]);
        for (unsigned n = 0; n < MANY; n++)
            assert_int_equal(seen[n], 1);
        for (unsigned n = MANY; n < 2 * MANY; n++)
            assert_true(seen[n] <= 1);
    }
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.aors, MANY);
    assert_int_equal(stats.bindings, MANY);
    free(seen);
    end(&f);
}

/* ---- journal and replay ---- */

static int restore(void *ctx, struct oh_span aor, uint64_t version, struct oh_span record)
{
    struct fixture *f = ctx;

    return oh__location_restore(f->loc, aor, version, record, f->wall);
}

static void records_restore_what_was(void **state)
{
    struct oh__binding b[3] = {contact("sip:alice@10.0.0.1", 60), contact("sip:alice@10.0.0.2", 90),
                               contact("sip:alice@10.0.0.3;transport=tcp", 90)};
    struct oh_span record;
    uint64_t version;
    struct fixture f, g;

    (void)state;
    begin(&f, 100);
    begin(&g, 2);
    b[2].flow.transport = OH_TRANSPORT_TCP;
    b[2].flow.id = 5;
    assert_int_equal(reg(&f, "alice@example.test", "a", 7, 3, b), OH_OK);
    version = oh__location_version(f.loc, OH_LIT("alice@example.test"));
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);

    /* Too small a table says so; later, when the first has expired, there is room. */
    assert_int_equal(
        oh__location_restore(g.loc, OH_LIT("alice@example.test"), version, record, WALL),
        OH_E_FULL);
    g.wall = WALL + 60000;
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version, record), OH_OK);
    assert_int_equal(count(&g), 2);
    assert_span(g.out.v[0].contact, "sip:alice@10.0.0.2");
    assert_true(g.out.v[0].reachable);
    assert_span(g.out.v[1].contact, "sip:alice@10.0.0.3;transport=tcp");
    assert_false(g.out.v[1].reachable);
    assert_int_equal(g.out.v[1].flow.id, 0);
    assert_int_equal(g.out.v[1].cseq, 7);
    assert_int_not_equal(g.out.v[0].id, g.out.v[1].id);
    assert_int_equal(oh__location_version(g.loc, OH_LIT("alice@example.test")), version);

    /* An older version means nothing, a newer one everything; the next change is newer still. */
    f.out.n = 0;
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version - 1, record), OH_OK);
    assert_int_equal(count(&g), 2);
    assert_int_equal(restore(&g, OH_LIT("alice@example.test"), version + 50, record), OH_OK);
    assert_int_equal(count(&g), 0);
    g.wall = WALL;
    assert_int_equal(reg1(&g, "n", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_true(oh__location_version(g.loc, OH_LIT("alice@example.test")) > version + 50);
    end(&f);
    end(&g);
}

/* The next start takes the highest version of the journals: ours must be above one that says
 * nothing. */
static void unreadable_records_count_for_the_version(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(restore(&f, OH_LIT("alice@example.test"), 1000, OH_LIT("?")), OH_E_CORRUPT);
    assert_int_equal(reg1(&f, "a", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    assert_true(oh__location_version(f.loc, OH_LIT("alice@example.test")) > 1000);
    end(&f);
}

static void hostile_records_are_refused(void **state)
{
    struct oh__binding b[2] = {contact("sip:alice@10.0.0.1", 60),
                               contact("sip:alice@10.0.0.2", 90)};
    struct oh_span record;
    unsigned accepted = 0;
    struct fixture f, g;

    (void)state;
    begin(&f, 100);
    begin(&g, 1000000);
    assert_int_equal(reg(&f, "alice@example.test", "a", 7, 2, b), OH_OK);
    assert_int_equal(oh__location_encode(&f.out, &f.arena, &record), OH_OK);
    /* Every truncation, in a block of its exact size so that a sanitizer sees one byte too far. */
    for (size_t n = 0; n < record.n; n++) {
        char *cut = malloc(n ? n : 1);

        memcpy(cut, record.p, n);
        assert_int_equal(restore(&g, OH_LIT("x"), 1, oh_span(cut, n)), OH_E_CORRUPT);
        free(cut);
    }
    /* Every byte with every bit flipped: refused, or another record that is well formed. */
    for (size_t i = 0; i < record.n * 8; i++) {
        char *bad = malloc(record.n);

        memcpy(bad, record.p, record.n);
        bad[i / 8] = (char)(bad[i / 8] ^ 1 << i % 8);
        if (restore(&g, OH_LIT("x"), i + 2, oh_span(bad, record.n)) == OH_OK)
            accepted++;
        free(bad);
    }
    assert_true(accepted > 0);
    assert_int_equal(restore(&g, OH_LIT(""), 1, record), OH_E_CORRUPT);
    end(&f);
    end(&g);
}

static int next_record(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct {
        struct fixture *f;
        struct oh__location_cursor cursor;
    } *walker = ctx;
    struct fixture *f = walker->f;
    int rc;

    oh_arena_reset(&f->arena);
    rc = oh__location_next(f->loc, &walker->cursor, &f->arena, aor, version, &f->out);
    return rc == OH_OK ? oh__location_encode(&f->out, &f->arena, record) : rc;
}

static struct oh__store *open_store(const char *dir)
{
    struct oh__store_options options = {.dir = dir, .workers = 1, .segment_bytes = 65536};
    char why[OH__STORE_WHY];
    struct oh__store *store;

    if (oh__store_open(&options, &store, why) != OH_OK)
        fail_msg("%s", why);
    return store;
}

/* Through the journal, a snapshot, and the journal again. */
static void a_restart_brings_bindings_back(void **state)
{
    char dir[] = "/tmp/oh_location_XXXXXX", why[OH__STORE_WHY], aor[32], command[64];
    struct oh__binding b = contact("sip:phone@10.0.0.1", 60);
    struct oh__registration r = {
        .call_id = OH_LIT("c"), .contacts_n = 1, .contacts = &b, .wall = WALL, .contacts_max = 10};
    struct oh__store *store;
    struct fixture f, g;
    struct {
        struct fixture *f;
        struct oh__location_cursor cursor;
    } walker = {.f = &f};

    (void)state;
    assert_non_null(mkdtemp(dir));
    begin(&f, 10000);
    begin(&g, 10000);
    store = open_store(dir);
    assert_int_equal(oh__store_replay(store, restore, &f, why), OH_OK);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(aor, sizeof(aor), "u%u@example.test", i % 500);
        r.aor = oh_span_str(aor);
        r.cseq = i + 1;
        b.expires_at = i % 7 == 0 ? 0 : WALL + 60000;
        assert_int_equal(oh__location_register(f.loc, &r, oh__store_journal(store, 0), &f.arena,
                                               &f.out, &f.done),
                         OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(store, 0)), OH_OK);
        oh_arena_reset(&f.arena);
        if (i == 1500)
            assert_int_equal(oh__store_compact(store, next_record, &walker), OH_OK);
    }
    oh__store_close(store);
    store = open_store(dir);
    assert_int_equal(oh__store_replay(store, restore, &g, why), OH_OK);
    assert_string_equal(why, "");
    for (unsigned i = 0; i < 500; i++) {
        struct oh__binding_list was;

        snprintf(aor, sizeof(aor), "u%u@example.test", i);
        assert_int_equal(oh__location_get(f.loc, oh_span_str(aor), WALL, &f.arena, &was), OH_OK);
        assert_int_equal(oh__location_get(g.loc, oh_span_str(aor), WALL, &g.arena, &g.out), OH_OK);
        assert_int_equal(was.n, g.out.n);
        if (was.n)
            assert_int_equal(was.v[0].cseq, g.out.v[0].cseq);
        oh_arena_reset(&f.arena);
        oh_arena_reset(&g.arena);
    }
    oh__store_close(store);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    end(&f);
    end(&g);
}

/* Every 200 but a fetch's waits for a record, also that of a repeat and of what removes nothing. */
static void what_is_journaled(void **state)
{
    static const struct {
        uint32_t cseq, seconds, contacts;
        bool star, journaled;
    } rows[] = {
        {1, 60, 1, false, true},  {1, 60, 1, false, true}, /* repeated */
        {1, 60, 0, false, false},                          /* fetched */
        {2, 0, 1, false, true},   {3, 0, 1, false, true},  {4, 0, 0, true, true},
    };
    struct oh__store_options options = {.workers = 1};
    char why[OH__STORE_WHY];
    struct oh__journal *journal;
    struct oh__store *store;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(oh__store_open(&options, &store, why), OH_OK);
    journal = oh__store_journal(store, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct oh__binding b = contact("sip:alice@10.0.0.2", rows[i].seconds);
        struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                     .call_id = OH_LIT("c"),
                                     .cseq = rows[i].cseq,
                                     .contacts_n = rows[i].contacts,
                                     .contacts = &b,
                                     .star = rows[i].star,
                                     .wall = WALL,
                                     .contacts_max = 10};

        assert_int_equal(oh__location_register(f.loc, &r, journal, &f.arena, &f.out, &f.done),
                         OH_OK);
        assert_int_equal(oh__journal_pending(journal), rows[i].journaled);
        assert_int_equal(oh__journal_commit(journal), OH_OK);
    }
    oh__store_close(store);
    end(&f);
}

/* A journal that refuses (here: it may only be read) leaves everything as it was. REG-012. */
static void a_journal_that_refuses(void **state)
{
    struct oh__store_options options = {.workers = 1, .read_only = true};
    struct oh__binding b = contact("sip:alice@10.0.0.2", 60);
    struct oh__registration r = {.aor = OH_LIT("alice@example.test"),
                                 .call_id = OH_LIT("c"),
                                 .cseq = 1,
                                 .contacts_n = 1,
                                 .contacts = &b,
                                 .wall = WALL,
                                 .contacts_max = 10};
    char why[OH__STORE_WHY];
    struct oh_addr peer = address("203.0.113.77:1");
    struct oh__location_stats stats;
    struct oh__store *store;
    uint64_t version;
    struct fixture f;

    (void)state;
    begin(&f, 100);
    assert_int_equal(oh__store_open(&options, &store, why), OH_OK);
    b.flow.peer = peer;
    b.flow.transport = OH_TRANSPORT_TCP;
    b.flow.id = 9;
    /* A new AOR, and one that exists. */
    for (int i = 0; i < 2; i++) {
        version = oh__location_version(f.loc, r.aor);
        assert_int_equal(oh__location_register(f.loc, &r, oh__store_journal(store, 0), &f.arena,
                                               &f.out, &f.done),
                         OH_E_IO);
        assert_int_equal(oh__location_version(f.loc, r.aor), version);
        assert_false(oh__location_has_source(f.loc, &peer));
        assert_int_equal(oh__location_flow_closed(f.loc, 9), 0);
        oh__location_stats(f.loc, &stats);
        assert_int_equal(stats.bindings, i);
        assert_int_equal(reg1(&f, "a", 1, "sip:alice@10.0.0.1", 60), OH_OK);
    }
    /* One that would have given way has not. */
    assert_int_equal(oh__location_register(f.loc, &r, NULL, &f.arena, &f.out, &f.done), OH_OK);
    assert_int_equal(oh__location_flow_closed(f.loc, 9), 1);
    b.contact = OH_LIT("sip:alice@10.0.0.3");
    b.flow.id = 10;
    r.contacts_max = 2;
    assert_int_equal(
        oh__location_register(f.loc, &r, oh__store_journal(store, 0), &f.arena, &f.out, &f.done),
        OH_E_IO);
    assert_int_equal(count(&f), 2);
    assert_int_equal(f.out.v[1].flow.id, 9);
    oh__store_close(store);
    end(&f);
}

/* ---- failing heap ---- */

static void scenario(struct test_heap *h, void *arg)
{
    struct oh__location *loc = oh__location_new(&h->alloc, key, 100);
    struct oh__binding b[2] = {contact("sip:a@10.0.0.1", 60), contact("sip:a@10.0.0.2", 60)};
    struct oh__location_stats stats;
    struct oh__binding_list out;
    enum oh__registered done;
    struct oh_arena arena;
    uint32_t expected = 0;
    char aor[32];

    (void)arg;
    oh_arena_init(&arena, &h->alloc, 1 << 20);
    b[1].flow.transport = OH_TRANSPORT_TCP;
    for (unsigned i = 0; loc && i < 24; i++) {
        struct oh__registration r = {.aor = oh_span(aor, 0),
                                     .call_id = OH_LIT("c"),
                                     .cseq = i + 1,
                                     .contacts_n = 1 + i % 2,
                                     .contacts = b,
                                     .wall = WALL,
                                     .contacts_max = 10};
        uint64_t before;

        r.aor.n = (size_t)snprintf(aor, sizeof(aor), "u%u@example.test", i % 12);
        b[1].flow.id = i + 1;
        b[0].flow.peer.ip[0] = (uint8_t)i;
        before = oh__location_version(loc, r.aor);
        if (oh__location_register(loc, &r, NULL, &arena, &out, &done) == OH_OK)
            expected += before ? 0 : 1 + i % 2;
        else
            assert_true(oh__location_version(loc, r.aor) == before);
    }
    if (loc) {
        oh__location_stats(loc, &stats);
        assert_true(stats.bindings >= expected);
        for (int i = 0; i < 40; i++)
            oh__location_sweep(loc, WALL + 60000);
        oh__location_stats(loc, &stats);
        assert_int_equal(stats.bindings, 0);
    }
    oh_arena_done(&arena);
    oh__location_free(loc);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(test_heap_fail_each(scenario, NULL) > 300);
}

/* ---- threads ---- */

struct hammer {
    struct oh__location *loc;
    unsigned seed;
    unsigned failures;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    struct oh__binding b = contact("sip:phone@10.0.0.1", 60);
    struct oh__binding_list out;
    enum oh__registered done;
    struct oh_arena arena;
    char aor[32], call_id[16];

    oh_arena_init(&arena, oh_alloc_default(), 1 << 20);
    snprintf(call_id, sizeof(call_id), "c%u", h->seed);
    for (unsigned i = 0; i < 6000; i++) {
        struct oh__registration r = {.aor = oh_span(aor, 0),
                                     .call_id = oh_span_str(call_id),
                                     .cseq = i + 1,
                                     .contacts_n = 1,
                                     .contacts = &b,
                                     .wall = WALL,
                                     .contacts_max = 10};

        h->seed = h->seed * 1103515245u + 12345u;
        r.aor.n = (size_t)snprintf(aor, sizeof(aor), "u%u@example.test", h->seed >> 16 & 63);
        b.flow.transport = i % 3 ? OH_TRANSPORT_UDP : OH_TRANSPORT_TCP;
        b.flow.id = i % 3 ? 0 : 1 + (h->seed >> 22 & 15);
        b.expires_at = h->seed >> 28 ? WALL + 1000 + i : 0;
        if (oh__location_register(h->loc, &r, NULL, &arena, &out, &done) != OH_OK)
            h->failures++;
        if (oh__location_get(h->loc, r.aor, WALL, &arena, &out) != OH_OK)
            h->failures++;
        oh__location_has_source(h->loc, &b.flow.peer);
        if (i % 16 == 0)
            oh__location_flow_closed(h->loc, 1 + (i >> 4 & 15));
        if (i % 64 == 0)
            oh__location_sweep(h->loc, WALL + i / 2);
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
    return NULL;
}

static void two_threads(void **state)
{
    struct oh__location_stats stats;
    struct hammer h[2];
    pthread_t thread;
    struct oh_addr peer = contact("sip:x@y", 1).flow.peer;
    struct fixture f;

    (void)state;
    begin(&f, 10000);
    h[0] = (struct hammer){f.loc, 1, 0};
    h[1] = (struct hammer){f.loc, 2, 0};
    assert_int_equal(pthread_create(&thread, NULL, hammer, &h[1]), 0);
    hammer(&h[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(h[0].failures + h[1].failures, 0);
    for (int i = 0; i < 32; i++)
        oh__location_sweep(f.loc, WALL + 100000);
    /* Every count went up as often as down. */
    oh__location_stats(f.loc, &stats);
    assert_int_equal(stats.bindings, 0);
    assert_false(oh__location_has_source(f.loc, &peer));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursors_see_everything_once),
        cmocka_unit_test(records_restore_what_was),
        cmocka_unit_test(unreadable_records_count_for_the_version),
        cmocka_unit_test(hostile_records_are_refused),
        cmocka_unit_test(a_restart_brings_bindings_back),
        cmocka_unit_test(what_is_journaled),
        cmocka_unit_test(a_journal_that_refuses),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
