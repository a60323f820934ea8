/* A disk that fails is told once; files that somebody deletes are missed and written again;
 * segments are there before they are wanted. */
#define _GNU_SOURCE

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/store/dir.h"

#define SEGMENT 16384

/* What a server has in memory: the newest version of each AOR. */
struct table {
    uint64_t version[TEST_AORS];
    unsigned at;
    char name[16], room[1024];
};

static int table_next(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct table *t = ctx;

    while (t->at < TEST_AORS && t->version[t->at] == 0)
        t->at++;
    if (t->at == TEST_AORS) {
        t->at = 0;
        return OH_E_ABSENT;
    }
    snprintf(t->name, sizeof(t->name), "u%u", t->at);
    *aor = oh_span_str(t->name);
    *version = t->version[t->at];
    *record = test_body(t->at, *version, t->room);
    t->at++;
    return OH_OK;
}

struct world {
    struct test_dir dir;
    struct oh__store *store;
    struct table table;
    unsigned wakes;
};

static void on_wake(void *ctx)
{
    ((struct world *)ctx)->wakes++;
}

/* A store as a server has it: replayed, and watched. */
static void begin(struct world *w, unsigned workers)
{
    struct test_seen seen;

    memset(w, 0, sizeof(*w));
    test_dir_make(&w->dir);
    w->store = test_dir_open(&w->dir, workers, SEGMENT);
    assert_int_equal(test_replay(&w->dir, w->store, &seen), OH_OK);
    oh__store_watch(w->store, on_wake, w);
}

static int put(struct world *w, unsigned worker, unsigned aor, uint64_t version)
{
    int rc = test_append(oh__store_journal(w->store, worker), aor, version);

    if (rc == OH_OK)
        w->table.version[aor] = version;
    return rc;
}

static int commit(struct world *w)
{
    return oh__journal_commit(oh__store_journal(w->store, 0));
}

static int compact(struct world *w)
{
    return oh__store_compact(w->store, table_next, &w->table);
}

static struct oh__store_trouble trouble_of(struct world *w)
{
    struct oh__store_trouble t;

    oh__store_trouble(w->store, &t);
    return t;
}

/* Closes the store; the next one must have what the table has, and no word of damage. */
static void end_with_everything(struct world *w)
{
    struct test_seen seen;

    oh__store_close(w->store);
    w->store = test_dir_open(&w->dir, 1, SEGMENT);
    assert_int_equal(test_replay(&w->dir, w->store, &seen), OH_OK);
    assert_string_equal(w->dir.why, "");
    assert_int_equal(seen.wrong, 0);
    assert_memory_equal(seen.version, w->table.version, sizeof(seen.version));
    oh__store_close(w->store);
    test_dir_remove(&w->dir);
}

/* Writes and allocations beyond this fail; 0 takes the limit away. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void shell(struct world *w, const char *command)
{
    char line[2 * TEST_PATH];

    snprintf(line, sizeof(line), "cd %s && %s", w->dir.state, command);
    assert_int_equal(system(line), 0);
}

/* ---- segments that are ready ---- */

static void the_first_records_wait_for_no_allocation(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 6);
    limit_files(SEGMENT - 1); /* no segment can be made any more */
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(put(&w, i, i, 1), OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(w.store, i)), OH_OK);
    }
    limit_files(0);
    assert_int_equal(w.wakes, 6); /* each took one, and somebody is to make others */
    assert_int_equal(trouble_of(&w).code, OH_OK);
    end_with_everything(&w);
}

/* Without a spare a small one is made: what is allocated under a lock is little. */
static void a_segment_in_a_hurry_is_small(void **state)
{
    struct oh__store_options options = {.workers = 1};
    struct test_dir d;
    struct oh__store *s;
    struct stat st;

    (void)state;
    test_dir_make(&d);
    options.dir = d.state;
    assert_int_equal(oh__store_open(&options, &s, d.why), OH_OK);
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 1), OH_OK);
    assert_int_equal(stat(test_dir_path(&d, "state/bindings/0-1.log"), &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* ---- trouble ---- */

static void a_failing_disk_is_told_once(void **state)
{
    struct oh__store_trouble t;
    struct world w;

    (void)state;
    begin(&w, 1);
    assert_int_equal(put(&w, 0, 1, 1), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    assert_int_equal(compact(&w), OH_OK);
    w.wakes = 0;
    limit_files(100);
    for (int i = 0; i < 50; i++) {
        int rc = put(&w, 0, 1, 2);

        assert_int_equal(rc, i == 0 ? OH_OK : OH_E_IO);
        assert_int_equal(commit(&w), i == 0 ? OH_E_IO : OH_OK);
    }
    assert_int_equal(w.wakes, 1);
    t = trouble_of(&w);
    assert_int_equal(t.code, OH_E_FULL);
    assert_true(t.refusing);
    assert_non_null(strstr(t.why, "cannot write"));
    assert_non_null(strstr(t.why, "state/bindings/0-"));
    assert_non_null(strstr(t.why, "File too large"));
    assert_int_not_equal(compact(&w), OH_OK);
    assert_string_equal(trouble_of(&w).why, t.why); /* the first reason stands */
    limit_files(0);
    assert_int_equal(compact(&w), OH_OK);
    assert_int_equal(trouble_of(&w).code, OH_OK);
    assert_int_equal(put(&w, 0, 1, 3), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    end_with_everything(&w);
}

/* Nothing is refused as long as there is room; that it ends soon is told all the same. */
static void the_next_segment_is_missed_early(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 1);
    assert_int_equal(put(&w, 0, 1, 1), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    shell(&w, "rm bindings/spare-*");
    limit_files(SEGMENT - 1);
    assert_int_equal(compact(&w), OH_E_FULL);
    assert_false(trouble_of(&w).refusing);
    assert_non_null(strstr(trouble_of(&w).why, "cannot allocate"));
    assert_int_equal(put(&w, 0, 1, 2), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    limit_files(0);
    assert_int_equal(compact(&w), OH_OK);
    assert_int_equal(trouble_of(&w).code, OH_OK);
    end_with_everything(&w);
}

/* ---- deleted files ---- */

static void deleted_journals_are_written_again(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 2);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(put(&w, i % 2, i, 1), OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(w.store, i % 2)), OH_OK);
    }
    shell(&w, "rm bindings/*");
    /* In the batch, made for a file that is no more. */
    assert_int_equal(put(&w, 0, 50, 7), OH_OK);
    assert_int_equal(compact(&w), OH_OK);
    assert_non_null(strstr(trouble_of(&w).why, "journals were deleted"));
    assert_int_equal(put(&w, 0, 51, 8), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    assert_int_equal(compact(&w), OH_OK);
    assert_int_equal(trouble_of(&w).code, OH_OK);
    end_with_everything(&w);
}

static void a_deleted_snapshot_is_written_again(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 1);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(put(&w, 0, i, 1), OH_OK);
        assert_int_equal(commit(&w), OH_OK);
    }
    assert_int_equal(compact(&w), OH_OK);
    shell(&w, "rm bindings/snapshot");
    assert_int_equal(compact(&w), OH_OK);
    assert_non_null(strstr(trouble_of(&w).why, "snapshot was deleted"));
    end_with_everything(&w);
}

static void a_deleted_directory_is_made_again(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 1);
    assert_int_equal(put(&w, 0, 1, 1), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    shell(&w, "rm -r bindings");
    assert_int_equal(compact(&w), OH_OK);
    for (unsigned i = 2; i < 60; i++) {
        assert_int_equal(put(&w, 0, i, 1), OH_OK);
        assert_int_equal(commit(&w), OH_OK);
    }
    assert_int_equal(compact(&w), OH_OK);
    end_with_everything(&w);
}

static void a_deleted_state_refuses(void **state)
{
    struct world w;

    (void)state;
    begin(&w, 1);
    assert_int_equal(put(&w, 0, 1, 1), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    shell(&w, "rm -r ../state");
    assert_int_equal(compact(&w), OH_E_ABSENT);
    assert_true(trouble_of(&w).refusing);
    assert_non_null(strstr(trouble_of(&w).why, "state was deleted"));
    assert_int_equal(put(&w, 0, 1, 2), OH_E_IO);
    oh__store_close(w.store);
    test_dir_remove(&w.dir);
}

static void a_deleted_database_is_told(void **state)
{
    struct oh__account_row row = {.user = OH_LIT("101")};
    struct world w;

    (void)state;
    begin(&w, 1);
    shell(&w, "rm offhook.db");
    assert_int_equal(compact(&w), OH_OK);
    assert_non_null(strstr(trouble_of(&w).why, "offhook.db was deleted"));
    assert_false(trouble_of(&w).refusing);
    assert_int_equal(oh__store_accounts_put(w.store, &row, 1, w.dir.why), OH_E_IO);
    assert_non_null(strstr(w.dir.why, "deleted or moved"));
    assert_int_equal(put(&w, 0, 1, 1), OH_OK);
    assert_int_equal(commit(&w), OH_OK);
    oh__store_close(w.store);
    test_dir_remove(&w.dir);
}

/* ---- what is missing at a start ---- */

static void no_database_beside_registrations(void **state)
{
    static const char *const damages[] = {"rm offhook.db", "truncate -s 0 offhook.db"};
    struct oh__store_options options = {.workers = 1, .segment_bytes = SEGMENT};
    struct oh__store *s;
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin(&w, 1);
        assert_int_equal(put(&w, 0, 1, 1), OH_OK);
        oh__store_close(w.store);
        shell(&w, damages[i]);
        options.dir = w.dir.state;
        assert_int_equal(oh__store_open(&options, &s, w.dir.why), OH_E_CORRUPT);
        assert_non_null(strstr(w.dir.why, "offhook.db is missing or empty"));
        shell(&w, "test ! -s offhook.db"); /* and none was made */
        shell(&w, "rm -r bindings");
        assert_int_equal(oh__store_open(&options, &s, w.dir.why), OH_OK);
        oh__store_close(s);
        test_dir_remove(&w.dir);
    }
}

static void no_bindings_beside_a_database(void **state)
{
    struct test_seen seen;
    struct world w;

    (void)state;
    begin(&w, 1);
    oh__store_close(w.store);
    shell(&w, "rm -r bindings");
    w.store = test_dir_open(&w.dir, 1, SEGMENT);
    assert_int_equal(test_replay(&w.dir, w.store, &seen), OH_OK);
    assert_non_null(strstr(w.dir.why, "bindings was missing"));
    oh__store_close(w.store);
    w.store = test_dir_open(&w.dir, 1, SEGMENT);
    assert_int_equal(test_replay(&w.dir, w.store, &seen), OH_OK);
    assert_string_equal(w.dir.why, "");
    oh__store_close(w.store);
    test_dir_remove(&w.dir);
}

static void a_backup_without_its_snapshot(void **state)
{
    const char *to;
    struct world w;

    (void)state;
    begin(&w, 1);
    to = test_dir_path(&w.dir, "copy");
    assert_int_equal(oh__store_backup(w.store, to, table_next, &w.table, w.dir.why), OH_OK);
    oh__store_close(w.store);
    shell(&w, "rm ../copy/bindings/snapshot");
    assert_int_equal(oh__store_restore(to, w.dir.state, w.dir.why), OH_E_CORRUPT);
    assert_non_null(strstr(w.dir.why, "has lost its file bindings/snapshot"));
    test_dir_remove(&w.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_records_wait_for_no_allocation),
        cmocka_unit_test(a_segment_in_a_hurry_is_small),
        cmocka_unit_test(a_failing_disk_is_told_once),
        cmocka_unit_test(the_next_segment_is_missed_early),
        cmocka_unit_test(deleted_journals_are_written_again),
        cmocka_unit_test(a_deleted_snapshot_is_written_again),
        cmocka_unit_test(a_deleted_directory_is_made_again),
        cmocka_unit_test(a_deleted_state_refuses),
        cmocka_unit_test(a_deleted_database_is_told),
        cmocka_unit_test(no_database_beside_registrations),
        cmocka_unit_test(no_bindings_beside_a_database),
        cmocka_unit_test(a_backup_without_its_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
