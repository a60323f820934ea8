/* Journals: what was committed is found again, in the face of full segments, compaction and kill.
 */
#define _GNU_SOURCE

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pthread.h>
#include <stdatomic.h>
#include <cmocka.h>

#include "unit/store/dir.h"

static void committed_records_come_back(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;
    struct oh__journal *j[2];

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 2, 1 << 20);
    j[0] = oh__store_journal(s, 0);
    j[1] = oh__store_journal(s, 1);
    assert_null(oh__store_journal(s, 2));
    assert_false(oh__journal_pending(j[0]));
    assert_int_equal(test_append(j[0], 1, 1), OH_OK);
    assert_int_equal(test_append(j[0], 2, 5), OH_OK);
    assert_true(oh__journal_pending(j[0]));
    assert_int_equal(oh__journal_commit(j[0]), OH_OK);
    assert_false(oh__journal_pending(j[0]));
    /* The other worker has a newer state of u1 and an older one of u2. */
    assert_int_equal(test_append(j[1], 1, 2), OH_OK);
    assert_int_equal(test_append(j[1], 2, 4), OH_OK);
    assert_int_equal(oh__journal_commit(j[1]), OH_OK);
    oh__store_close(s);

    s = test_dir_open(&d, 1, 1 << 20);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_string_equal(d.why, "");
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.version[1], 2);
    assert_int_equal(seen.version[2], 5);
    oh__store_close(s);
    test_dir_remove(&d);
}

static void impossible_records_are_refused(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    struct oh__journal *j;
    char *large = calloc(1, 300000);

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 8192);
    j = oh__store_journal(s, 0);
    assert_int_equal(oh__journal_append(j, OH_LIT(""), 1, OH_LIT("x")), OH_E_LIMIT);
    assert_int_equal(oh__journal_append(j, OH_LIT("a"), 1, oh_span(large, 300000)), OH_E_LIMIT);
    assert_int_equal(oh__journal_append(j, OH_LIT("a"), 1, oh_span(large, 8192)), OH_E_LIMIT);
    assert_false(oh__journal_pending(j));
    assert_int_equal(oh__journal_commit(j), OH_OK);
    oh__store_close(s);
    free(large);
    test_dir_remove(&d);
}

static void memory_only_forgets(void **state)
{
    struct oh__store_options options = {.workers = 1};
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;

    (void)state;
    assert_int_equal(oh__store_open(&options, &s, d.why), OH_OK);
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 1), OH_OK);
    assert_true(oh__journal_pending(oh__store_journal(s, 0)));
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.calls, 0);
    assert_false(oh__store_wants_compaction(s));
    assert_int_equal(oh__store_compact(s, NULL, NULL), OH_OK);
    oh__store_close(s);
}

/* ---- compaction ---- */

/* What a location table would hold: the newest version of each AOR, 0 for none. */
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

static unsigned files_in(struct test_dir *d, const char *pattern)
{
    char command[2 * TEST_PATH], text[32] = "";
    FILE *pipe;

    snprintf(command, sizeof(command), "ls %s/bindings | grep -c '%s'", d->state, pattern);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(text, sizeof(text), pipe));
    pclose(pipe);
    return (unsigned)strtoul(text, NULL, 10);
}

static void compaction_drops_segments_and_nothing_else(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct table t = {.at = 0};
    struct oh__store *s;
    uint64_t version = 0;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 2, 16384);
    /* Before a replay the table is not the whole truth, and no snapshot may be written of it. */
    for (int i = 0; i < 400; i++) {
        unsigned aor = (unsigned)(i * 7) % TEST_AORS;

        t.version[aor] = ++version;
        assert_int_equal(test_append(oh__store_journal(s, i % 2), aor, version), OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(s, i % 2)), OH_OK);
    }
    assert_false(oh__store_wants_compaction(s));
    assert_true(files_in(&d, "^[01]-") > 8);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_true(oh__store_wants_compaction(s));
    assert_int_equal(oh__store_compact(s, table_next, &t), OH_OK);
    assert_false(oh__store_wants_compaction(s));
    assert_int_equal(files_in(&d, "^[01]-"), 2); /* one in use for each worker */
    assert_int_equal(files_in(&d, "^spare-"), 1);
    assert_int_equal(files_in(&d, "^snapshot$"), 1);

    /* Spares are used again, with what they held still in them. */
    for (int i = 0; i < 100; i++) {
        unsigned aor = (unsigned)i % TEST_AORS;

        t.version[aor] = ++version;
        assert_int_equal(test_append(oh__store_journal(s, 0), aor, version), OH_OK);
    }
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    oh__store_close(s);

    s = test_dir_open(&d, 2, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_string_equal(d.why, "");
    assert_int_equal(seen.wrong, 0);
    assert_memory_equal(seen.version, t.version, sizeof(t.version));
    oh__store_close(s);
    test_dir_remove(&d);
}

static void a_removed_aor_stays_removed(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct table t = {.at = 0};
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 2, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    /* Worker 0 registers u1 and then says nothing more; worker 1 removes it and writes on and on.
     */
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 1), OH_OK);
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    for (uint64_t v = 2; v < 200; v++) {
        assert_int_equal(test_append(oh__store_journal(s, 1), v == 2 ? 1 : 2, v), OH_OK);
        assert_int_equal(oh__journal_commit(oh__store_journal(s, 1)), OH_OK);
        t.version[2] = v;
    }
    assert_int_equal(oh__store_compact(s, table_next, &t), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 2, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.version[1], 0);
    assert_int_equal(seen.version[2], 199);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* A segment that a snapshot covers, but whose removal the power cut undid. */
static void a_segment_that_came_back(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct table t = {.at = 0};
    struct oh__store *s;
    char command[4 * TEST_PATH];

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 65536);
    for (uint64_t v = 1; v <= 9; v++)
        assert_int_equal(test_append(oh__store_journal(s, 0), 1, v), OH_OK);
    oh__store_close(s);
    snprintf(command, sizeof(command), "cp %s/bindings/0-1.log %s/saved", d.state, d.root);
    assert_int_equal(system(command), 0);

    /* The next run removes u1 and makes a snapshot without it. */
    s = test_dir_open(&d, 1, 65536);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.version[1], 9);
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 10), OH_OK);
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    t.version[2] = 1;
    assert_int_equal(oh__store_compact(s, table_next, &t), OH_OK);
    oh__store_close(s);
    snprintf(command, sizeof(command), "rm %s/bindings/0-*.log && cp %s/saved %s/bindings/0-1.log",
             d.state, d.root, d.state);
    assert_int_equal(system(command), 0);
    s = test_dir_open(&d, 1, 65536);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.version[1], 0);
    assert_int_equal(seen.version[2], 1);
    oh__store_close(s);
    test_dir_remove(&d);
}

static int next_fails(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct table *t = ctx;

    return t->at == 3 ? OH_E_NOMEM : table_next(ctx, aor, version, record);
}

static void a_failed_snapshot_changes_nothing(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct table t = {.at = 0};
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    for (uint64_t v = 1; v < 200; v++) {
        t.version[v % 9] = v;
        assert_int_equal(test_append(oh__store_journal(s, 0), v % 9, v), OH_OK);
    }
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    assert_int_equal(oh__store_compact(s, next_fails, &t), OH_E_NOMEM);
    assert_true(oh__store_wants_compaction(s));
    assert_int_equal(files_in(&d, "^snapshot"), 0);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.wrong, 0);
    assert_memory_equal(seen.version, t.version, sizeof(t.version));
    oh__store_close(s);
    test_dir_remove(&d);
}

/* ---- workers and the background thread at once ---- */

struct shared {
    struct oh__store *store;
    pthread_mutex_t lock; /* of the table, as the location service has it */
    struct table table;
    uint64_t version;
    atomic_uint ready;
    unsigned failures;
};

struct worker {
    struct shared *shared;
    unsigned number;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct shared *sh = w->shared;
    struct oh__journal *j = oh__store_journal(sh->store, w->number);
    unsigned seed = w->number + 1, failures = 0;

    for (unsigned i = 0; i < 1500; i++) {
        unsigned aor = (unsigned)rand_r(&seed) % TEST_AORS;

        pthread_mutex_lock(&sh->lock);
        sh->table.version[aor] = ++sh->version;
        failures += test_append(j, aor, sh->version) != OH_OK;
        pthread_mutex_unlock(&sh->lock);
        if (i % 4 == 3)
            failures += oh__journal_commit(j) != OH_OK;
    }
    pthread_mutex_lock(&sh->lock);
    sh->failures += failures;
    pthread_mutex_unlock(&sh->lock);
    sh->ready++;
    return NULL;
}

/* As oh__location_next: one AOR at a time, the lock in between is free. */
static int shared_next(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    struct shared *sh = ctx;
    int rc;

    pthread_mutex_lock(&sh->lock);
    rc = table_next(&sh->table, aor, version, record);
    pthread_mutex_unlock(&sh->lock);
    return rc;
}

static void workers_and_compaction_at_once(void **state)
{
    struct shared sh = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct worker w[2] = {{&sh, 0}, {&sh, 1}};
    pthread_t thread[2];
    struct test_dir d;
    struct test_seen seen;
    unsigned rounds = 0;

    (void)state;
    test_dir_make(&d);
    sh.store = test_dir_open(&d, 2, 16384);
    assert_int_equal(test_replay(&d, sh.store, &seen), OH_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    while (sh.ready < 2 || rounds == 0) {
        assert_int_equal(oh__store_compact(sh.store, shared_next, &sh), OH_OK);
        rounds++;
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(sh.failures, 0);
    oh__store_close(sh.store);
    sh.store = test_dir_open(&d, 2, 16384);
    assert_int_equal(test_replay(&d, sh.store, &seen), OH_OK);
    assert_string_equal(d.why, "");
    assert_int_equal(seen.wrong, 0);
    assert_memory_equal(seen.version, sh.table.version, sizeof(seen.version));
    oh__store_close(sh.store);
    test_dir_remove(&d);
}

/* ---- failing disks: RLIMIT_FSIZE makes writes and allocations beyond a size fail ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_told_before_it_is_too_late(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;
    struct oh__journal *j;
    uint64_t version = 0;
    int rc;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    j = oh__store_journal(s, 0);
    assert_int_equal(test_append(j, 1, ++version), OH_OK);
    assert_int_equal(oh__journal_commit(j), OH_OK);
    limit_files(8192);
    while ((rc = test_append(j, 1, version + 1)) == OH_OK && version < 100)
        version++;
    limit_files(0);
    assert_in_range(version, 2, 99);
    /* Whether the next segment or the early write was refused first, nobody was lied to. */
    if (rc == OH_E_FULL)
        assert_int_equal(oh__journal_commit(j), OH_OK);
    else
        assert_int_equal(oh__journal_commit(j), OH_E_IO);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.wrong, 0);
    assert_true(seen.version[1] >= 1);
    oh__store_close(s);
    test_dir_remove(&d);
}

static void no_room_for_the_next_segment(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;
    struct oh__journal *j;
    uint64_t version = 0;
    int rc = OH_OK;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    j = oh__store_journal(s, 0);
    assert_int_equal(test_append(j, 1, ++version), OH_OK);
    /* All of the first segment can be written, but no second one can be allocated. */
    limit_files(16383);
    while (rc == OH_OK && version < 200) {
        rc = test_append(j, 1, version + 1);
        if (rc == OH_OK)
            rc = oh__journal_commit(j);
        if (rc == OH_OK)
            version++;
    }
    assert_int_equal(rc, OH_E_FULL);
    assert_int_equal(oh__journal_commit(j), OH_OK);
    limit_files(0);
    /* There is space again: when the background thread has found out, work goes on. */
    assert_int_equal(test_append(j, 1, version + 1), OH_E_FULL);
    assert_int_equal(oh__store_compact(s, NULL, NULL), OH_OK);
    assert_int_equal(test_append(j, 1, ++version), OH_OK);
    assert_int_equal(oh__journal_commit(j), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.version[1], version);
    oh__store_close(s);
    test_dir_remove(&d);
}

static void a_failed_commit_is_told_and_mended(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct table t = {.at = 0};
    struct oh__store *s;
    struct oh__journal *j;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    j = oh__store_journal(s, 0);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(test_append(j, 1, 1), OH_OK);
    assert_int_equal(oh__journal_commit(j), OH_OK);
    assert_int_equal(test_append(j, 1, 2), OH_OK);
    limit_files(100);
    assert_int_equal(oh__journal_commit(j), OH_E_IO);
    assert_false(oh__journal_pending(j));
    assert_int_equal(test_append(j, 1, 3), OH_E_IO);
    assert_int_equal(oh__journal_commit(j), OH_OK); /* an empty batch promises nothing */
    t.version[1] = 2;
    assert_int_not_equal(oh__store_compact(s, table_next, &t), OH_OK);
    assert_int_equal(test_append(j, 1, 3), OH_E_IO);
    limit_files(0);
    assert_int_equal(oh__store_compact(s, table_next, &t), OH_OK);
    assert_int_equal(test_append(j, 1, 4), OH_OK);
    assert_int_equal(oh__journal_commit(j), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.version[1], 4);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* ---- kill -9 ---- */

struct acknowledged {
    uint32_t aor;
    uint32_t pad;
    uint64_t version;
};

/* Appends, commits and reports until it is killed; compacts now and then. */
static void worker_until_killed(struct test_dir *d, int report, uint64_t version, unsigned seed)
{
    struct oh__store *s = test_dir_open(d, 1, 16384);
    struct oh__journal *j = oh__store_journal(s, 0);
    struct test_seen seen;
    struct table t = {.at = 0};

    if (test_replay(d, s, &seen) != OH_OK || seen.wrong)
        _exit(3);
    memcpy(t.version, seen.version, sizeof(t.version));
    for (;;) {
        struct acknowledged batch[8];
        unsigned n = 1 + rand_r(&seed) % 8;

        for (unsigned i = 0; i < n; i++) {
            unsigned aor = (unsigned)rand_r(&seed) % TEST_AORS;

            batch[i] = (struct acknowledged){.aor = aor, .version = ++version};
            t.version[aor] = version;
            if (test_append(j, aor, version) != OH_OK)
                _exit(4);
        }
        if (oh__journal_commit(j) != OH_OK)
            _exit(5);
        if (write(report, batch, n * sizeof(batch[0])) != (ssize_t)(n * sizeof(batch[0])))
            _exit(6);
        if (rand_r(&seed) % 16 == 0 && oh__store_compact(s, table_next, &t) != OH_OK)
            _exit(7);
    }
}

/* Lets a child work for a moment, kills it and notes what it had acknowledged. */
static void one_life(struct test_dir *d, uint64_t acked[TEST_AORS], uint64_t *newest,
                     unsigned round)
{
    struct acknowledged a;
    struct timespec life = {.tv_nsec = (long)(1 + round * 7919 % 23) * 1000000};
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        worker_until_killed(d, ends[1], *newest + 1000000, round + 1);
        _exit(8);
    }
    close(ends[1]);
    /* The first report says that it has begun; then it has some milliseconds left. */
    if (read(ends[0], &a, sizeof(a)) != sizeof(a)) {
        waitpid(child, &status, 0);
        fail_msg("the child ended by itself: %d", status);
    }
    do {
        acked[a.aor] = a.version;
        *newest = a.version;
        if (life.tv_nsec > 0) {
            nanosleep(&life, NULL);
            life.tv_nsec = 0;
            kill(child, SIGKILL);
        }
    } while (read(ends[0], &a, sizeof(a)) == sizeof(a));
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void acknowledged_records_survive_kill(void **state)
{
    uint64_t acked[TEST_AORS] = {0}, newest = 0;
    struct test_dir d;
    struct test_seen seen;

    (void)state;
    test_dir_make(&d);
    for (unsigned round = 0; round < 50; round++) {
        struct oh__store *s;

        one_life(&d, acked, &newest, round);
        s = test_dir_open(&d, 1, 16384);
        assert_int_equal(test_replay(&d, s, &seen), OH_OK);
        assert_int_equal(seen.wrong, 0);
        for (unsigned i = 0; i < TEST_AORS; i++)
            assert_true(seen.version[i] >= acked[i]);
        oh__store_close(s);
    }
    assert_true(newest > 50 * UINT64_C(1000000));
    test_dir_remove(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_records_come_back),
        cmocka_unit_test(impossible_records_are_refused),
        cmocka_unit_test(memory_only_forgets),
        cmocka_unit_test(compaction_drops_segments_and_nothing_else),
        cmocka_unit_test(a_removed_aor_stays_removed),
        cmocka_unit_test(a_segment_that_came_back),
        cmocka_unit_test(a_failed_snapshot_changes_nothing),
        cmocka_unit_test(workers_and_compaction_at_once),
        cmocka_unit_test(a_full_disk_is_told_before_it_is_too_late),
        cmocka_unit_test(no_room_for_the_next_segment),
        cmocka_unit_test(a_failed_commit_is_told_and_mended),
        cmocka_unit_test(acknowledged_records_survive_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
