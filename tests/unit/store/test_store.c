/* The state directory: opening, locking, schema, secrets, accounts, backup and restoration. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>
#include <cmocka.h>

#include "unit/store/dir.h"

static unsigned mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static int open_with(struct test_dir *d, const char *dir, bool read_only, struct oh__store **out)
{
    struct oh__store_options options = {
        .dir = dir, .read_only = read_only, .workers = 1, .segment_bytes = 16384};

    return oh__store_open(&options, out, d->why);
}

static void run_sql(struct test_dir *d, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(test_dir_path(d, "state/offhook.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void write_file(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    close(fd);
}

/* ---- the directory ---- */

static void everything_is_private(void **state)
{
    mode_t mask = umask(0);
    struct test_dir d;
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 1), OH_OK);
    assert_int_equal(mode_of(d.state), 0700);
    assert_int_equal(mode_of(test_dir_path(&d, "state/bindings")), 0700);
    assert_int_equal(mode_of(test_dir_path(&d, "state/offhook.db")), 0600);
    assert_int_equal(mode_of(test_dir_path(&d, "state/lock")), 0600);
    assert_int_equal(mode_of(test_dir_path(&d, "state/bindings/0-1.log")), 0600);
    oh__store_close(s);
    umask(mask);
    test_dir_remove(&d);
}

static void one_owner_at_a_time(void **state)
{
    struct test_dir d;
    struct oh__store *first, *second;
    char pid[32];

    (void)state;
    test_dir_make(&d);
    first = test_dir_open(&d, 1, 16384);
    snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
    assert_int_equal(open_with(&d, d.state, false, &second), OH_E_BUSY);
    assert_non_null(strstr(d.why, pid));
    assert_non_null(strstr(d.why, d.state));
    assert_non_null(strstr(d.why, "--state"));
    assert_int_equal(open_with(&d, d.state, true, &second), OH_E_BUSY);
    oh__store_close(first);
    /* Those that only look may be several, and keep owners out. */
    assert_int_equal(open_with(&d, d.state, true, &first), OH_OK);
    assert_int_equal(open_with(&d, d.state, true, &second), OH_OK);
    oh__store_close(second);
    assert_int_equal(open_with(&d, d.state, false, &second), OH_E_BUSY);
    oh__store_close(first);
    assert_int_equal(open_with(&d, d.state, false, &second), OH_OK);
    oh__store_close(second);
    oh__store_close(NULL);
    test_dir_remove(&d);
}

/* ~/.local/state/offhook in a home directory that was made a minute ago. */
static void directories_above_are_made(void **state)
{
    struct test_dir d;
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    assert_int_equal(open_with(&d, test_dir_path(&d, "home/.local/state"), false, &s), OH_OK);
    assert_int_equal(mode_of(test_dir_path(&d, "home")), 0700);
    assert_int_equal(mode_of(test_dir_path(&d, "home/.local")), 0700);
    oh__store_close(s);
    test_dir_remove(&d);
}

static void directories_that_cannot_be_used(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    assert_int_equal(open_with(&d, d.state, true, &s), OH_E_ABSENT);
    assert_non_null(strstr(d.why, "there is no state directory"));
    assert_int_equal(open_with(&d, test_dir_path(&d, "no/such/parent"), true, &s), OH_E_ABSENT);
    assert_int_not_equal(access(test_dir_path(&d, "no"), F_OK), 0);
    write_file(test_dir_path(&d, "file"), "x", 1);
    assert_int_not_equal(open_with(&d, test_dir_path(&d, "file"), false, &s), OH_OK);
    assert_non_null(strstr(d.why, "Not a directory"));
    assert_int_not_equal(open_with(&d, test_dir_path(&d, "file/below/it"), false, &s), OH_OK);
    assert_non_null(strstr(d.why, "Not a directory"));
    /* A state whose bindings' directory is missing may be looked at. */
    oh__store_close(test_dir_open(&d, 1, 16384));
    assert_int_equal(rmdir(test_dir_path(&d, "state/bindings")), 0);
    assert_int_equal(open_with(&d, d.state, true, &s), OH_OK);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.calls, 0);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* ---- the database ---- */

static void databases_that_cannot_be_used(void **state)
{
    static const struct {
        const char *sql; /* done to a good database; NULL: it is overwritten */
        int rc;
        const char *says;
    } rows[] = {
        {"PRAGMA user_version=7", OH_E_VERSION,
         "written by a newer offhook (schema 7, this program knows 1): upgrade the program or "
         "restore an older backup"},
        {"PRAGMA application_id=1", OH_E_CORRUPT, "of another program"},
        {NULL, OH_E_CORRUPT, "damaged"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct test_dir d;
        struct oh__store *s;
        char rubbish[4096];

        test_dir_make(&d);
        oh__store_close(test_dir_open(&d, 1, 16384));
        memset(rubbish, 'x', sizeof(rubbish));
        if (rows[i].sql)
            run_sql(&d, rows[i].sql);
        else
            write_file(test_dir_path(&d, "state/offhook.db"), rubbish, sizeof(rubbish));
        assert_int_equal(open_with(&d, d.state, false, &s), rows[i].rc);
        if (!strstr(d.why, rows[i].says))
            fail_msg("row %zu: %s", i, d.why);
        test_dir_remove(&d);
    }
}

/* A page of rubbish inside: found when it is opened, before anything is built on it. */
static void a_damaged_page(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    char rubbish[4096];
    int fd;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    memset(rubbish, 0x5a, sizeof(rubbish));
    assert_int_equal(oh__store_put(s, "large", rubbish, sizeof(rubbish)), OH_OK);
    oh__store_close(s);
    fd = open(test_dir_path(&d, "state/offhook.db"), O_WRONLY);
    assert_int_equal(pwrite(fd, rubbish, 4096, 4096), 4096);
    close(fd);
    assert_int_equal(open_with(&d, d.state, false, &s), OH_E_CORRUPT);
    assert_non_null(strstr(d.why, "restore an intact backup"));
    test_dir_remove(&d);
}

static void a_locked_database(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    sqlite3 *db;

    (void)state;
    test_dir_make(&d);
    oh__store_close(test_dir_open(&d, 1, 16384));
    assert_int_equal(sqlite3_open(test_dir_path(&d, "state/offhook.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(open_with(&d, d.state, false, &s), OH_E_BUSY);
    assert_non_null(strstr(d.why, "another program has locked it"));
    sqlite3_close(db);
    test_dir_remove(&d);
}

static void secrets(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    char out[64];
    size_t n = sizeof(out);

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(oh__store_get(s, "nonce-key", out, &n), OH_E_ABSENT);
    assert_int_equal(oh__store_put(s, "nonce-key", "a\0b", 3), OH_OK);
    assert_int_equal(oh__store_put(s, "nonce-key", "c\0de", 4), OH_OK);
    assert_int_equal(oh__store_put(s, "empty", "", 0), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(oh__store_get(s, "nonce-key", out, &n), OH_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(out, "c\0de", 4);
    n = 3;
    assert_int_equal(oh__store_get(s, "nonce-key", out, &n), OH_E_LIMIT);
    assert_int_equal(n, 3);
    assert_int_equal(oh__store_get(s, "empty", out, &n), OH_OK);
    assert_int_equal(n, 0);
    oh__store_close(s);
    assert_int_equal(open_with(&d, d.state, true, &s), OH_OK);
    assert_int_equal(oh__store_put(s, "x", "y", 1), OH_E_IO);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* ---- accounts ---- */

struct listed {
    unsigned n;
    char text[1024];
};

static int list_account(void *ctx, const struct oh__account_row *row)
{
    struct listed *l = ctx;
    size_t at = strlen(l->text);

    l->n++;
    snprintf(l->text + at, sizeof(l->text) - at,
             "%.*s@%.*s %.*s %.*s %.*s/%.*s/%.*s %.*s %llu %u\n", OH_PRI(row->user),
             OH_PRI(row->domain), OH_PRI(row->auth_name), OH_PRI(row->realm), OH_PRI(row->ha1[0]),
             OH_PRI(row->ha1[1]), OH_PRI(row->userhash[1]), OH_PRI(row->name),
             (unsigned long long)row->gone_at, row->flags);
    return OH_OK;
}

static int stop_at_first(void *ctx, const struct oh__account_row *row)
{
    (void)row;
    (*(unsigned *)ctx)++;
    return 42;
}

static int count_account(void *ctx, const struct oh__account_row *row)
{
    (void)row;
    (*(unsigned *)ctx)++;
    return OH_OK;
}

static unsigned visits_from(struct oh__store *s, struct oh_span user, struct oh_span domain)
{
    unsigned n = 0;

    assert_int_equal(oh__store_accounts_from(s, user, domain, count_account, &n), OH_OK);
    return n;
}

static void assert_accounts(struct oh__store *s, const char *text)
{
    struct listed l = {.n = 0};

    assert_int_equal(oh__store_accounts_each(s, list_account, &l), OH_OK);
    assert_string_equal(l.text, text);
}

static const struct oh__account_row alice = {
    .user = {"alice", 5},
    .domain = {"b.test", 6},
    .auth_name = {"1001", 4},
    .realm = {"b.test", 6},
    .ha1 = {{"aa", 2}, {"bb", 2}, {NULL, 0}},
    .userhash = {{NULL, 0}, {"cc", 2}, {NULL, 0}},
    .name = {"'); DROP TABLE account;--", 25},
    .flags = OH__ACCOUNT_ADMIN,
};

static void accounts(void **state)
{
    struct oh__account_row rows[2] = {alice, alice};
    struct test_dir d;
    struct oh__store *s;
    unsigned visits = 0;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    rows[1].user = OH_LIT("bob");
    rows[1].domain = OH_LIT("");
    rows[1].flags = 0;
    assert_int_equal(oh__store_accounts_put(s, rows, 2, d.why), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_accounts(s, "alice@b.test 1001 b.test aa/bb/cc '); DROP TABLE account;-- 0 1\n"
                       "bob@ 1001 b.test aa/bb/cc '); DROP TABLE account;-- 0 0\n");
    assert_int_equal(visits_from(s, OH_LIT("alice"), OH_LIT("")), 2);
    assert_int_equal(visits_from(s, OH_LIT("alice"), OH_LIT("b.test")), 2);
    assert_int_equal(visits_from(s, OH_LIT("alice"), OH_LIT("c.test")), 1);
    assert_int_equal(visits_from(s, OH_LIT("bob"), OH_LIT("")), 1);
    assert_int_equal(visits_from(s, OH_LIT("bobby"), OH_LIT("")), 0);
    assert_int_equal(oh__store_accounts_each(s, stop_at_first, &visits), 42);
    assert_int_equal(visits, 1);
    rows[0].name = OH_LIT("Alice");
    assert_int_equal(oh__store_accounts_put(s, rows, 1, d.why), OH_OK);
    assert_int_equal(oh__store_account_remove(s, OH_LIT("alice"), OH_LIT("b.test"), 99, d.why),
                     OH_OK);
    assert_int_equal(oh__store_account_remove(s, OH_LIT("bob"), OH_LIT(""), 0, d.why), OH_OK);
    assert_int_equal(oh__store_account_remove(s, OH_LIT("bob"), OH_LIT(""), 0, d.why), OH_E_ABSENT);
    assert_int_equal(oh__store_account_remove(s, OH_LIT("bob"), OH_LIT(""), 1, d.why), OH_E_ABSENT);
    assert_accounts(s, "alice@b.test 1001 b.test aa/bb/cc Alice 99 1\n");
    oh__store_close(s);
    test_dir_remove(&d);
}

static void bad_accounts_change_nothing(void **state)
{
    struct oh__account_row rows[3] = {alice, alice, alice};
    char text[300];
    struct test_dir d;
    struct oh__store *s;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    memset(text, 'x', sizeof(text));
    rows[1].user = OH_LIT("good");
    rows[2].user = oh_span("alice\0x", 7);
    assert_int_equal(oh__store_accounts_put(s, rows, 3, d.why), OH_E_SYNTAX);
    assert_non_null(strstr(d.why, "account 3 of 3"));
    rows[2].user = oh_span(text, 256);
    assert_int_equal(oh__store_accounts_put(s, rows, 3, d.why), OH_E_LIMIT);
    rows[2] = alice;
    rows[2].ha1[0] = oh_span(text, 65);
    assert_int_equal(oh__store_accounts_put(s, rows, 3, d.why), OH_E_LIMIT);
    rows[2] = alice;
    rows[2].user = OH_LIT("");
    assert_int_equal(oh__store_accounts_put(s, rows, 3, d.why), OH_E_SYNTAX);
    assert_accounts(s, "");
    oh__store_close(s);
    assert_int_equal(open_with(&d, d.state, true, &s), OH_OK);
    assert_int_equal(oh__store_accounts_put(s, &alice, 1, d.why), OH_E_DENIED);
    assert_int_equal(oh__store_account_remove(s, alice.user, alice.domain, 1, d.why), OH_E_IO);
    oh__store_close(s);
    test_dir_remove(&d);
}

/* In a child of its own, because the limit would also hold for what the test prints. */
static void a_full_disk(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    int status;
    pid_t child;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(oh__store_accounts_put(s, &alice, 1, d.why), OH_OK);
    oh__store_close(s);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 16384, .rlim_max = 16384};
        struct oh__account_row rows[400];
        char user[400][8];
        int rc;

        signal(SIGXFSZ, SIG_IGN);
        s = test_dir_open(&d, 1, 16384);
        for (unsigned i = 0; i < 400; i++) {
            snprintf(user[i], sizeof(user[i]), "u%u", i);
            rows[i] = alice;
            rows[i].user = oh_span_str(user[i]);
        }
        setrlimit(RLIMIT_FSIZE, &limit);
        rc = oh__store_accounts_put(s, rows, 400, d.why);
        _exit(rc == OH_E_IO && strstr(d.why, "cannot write") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    s = test_dir_open(&d, 1, 16384);
    assert_accounts(s, "alice@b.test 1001 b.test aa/bb/cc '); DROP TABLE account;-- 0 1\n");
    oh__store_close(s);
    test_dir_remove(&d);
}

static void all_of_it_in_memory(void **state)
{
    struct test_dir d;
    struct oh__store *s;
    char out[4];
    size_t n = sizeof(out);

    (void)state;
    assert_int_equal(open_with(&d, NULL, false, &s), OH_OK);
    assert_int_equal(oh__store_put(s, "k", "v", 1), OH_OK);
    assert_int_equal(oh__store_get(s, "k", out, &n), OH_OK);
    assert_int_equal(oh__store_accounts_put(s, &alice, 1, d.why), OH_OK);
    assert_accounts(s, "alice@b.test 1001 b.test aa/bb/cc '); DROP TABLE account;-- 0 1\n");
    oh__store_close(s);
}

/* ---- backup ---- */

/* One binding, u5 in version 9. */
static int next_one(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    static char room[1024];
    unsigned *at = ctx;

    if ((*at)++)
        return OH_E_ABSENT;
    *aor = OH_LIT("u5");
    *version = 9;
    *record = test_body(5, 9, room);
    return OH_OK;
}

static int next_never(void *ctx, struct oh_span *aor, uint64_t *version, struct oh_span *record)
{
    (void)ctx, (void)aor, (void)version, (void)record;
    return OH_E_NOMEM;
}

static void there_and_back(void **state)
{
    const char *row = "alice@b.test 1001 b.test aa/bb/cc '); DROP TABLE account;-- 0 1\n";
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s, *other;
    char backup[TEST_PATH * 2];
    unsigned at = 0;

    (void)state;
    test_dir_make(&d);
    snprintf(backup, sizeof(backup), "%s/backup", d.root);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(oh__store_accounts_put(s, &alice, 1, d.why), OH_OK);
    assert_int_equal(oh__store_put(s, "k", "v", 1), OH_OK);
    /* A journal record that is newer than the backup says nothing about the restored state. */
    assert_int_equal(oh__store_backup(s, backup, next_one, &at, d.why), OH_OK);
    assert_int_equal(test_append(oh__store_journal(s, 0), 5, 10), OH_OK);
    assert_int_equal(oh__journal_commit(oh__store_journal(s, 0)), OH_OK);
    at = 0;
    assert_int_equal(oh__store_backup(s, backup, next_one, &at, d.why), OH_E_DUPLICATE);
    assert_non_null(strstr(d.why, "name a new directory"));
    assert_int_equal(oh__store_account_remove(s, alice.user, alice.domain, 0, d.why), OH_OK);
    assert_int_equal(mode_of(backup), 0700);

    /* Not while a server uses it. */
    assert_int_equal(oh__store_restore(backup, d.state, d.why), OH_E_BUSY);
    assert_non_null(strstr(d.why, "(pid "));
    oh__store_close(s);
    assert_int_equal(oh__store_restore(backup, d.state, d.why), OH_OK);
    s = test_dir_open(&d, 1, 16384);
    assert_accounts(s, row);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.version[5], 9);
    assert_int_equal(seen.wrong, 0);
    /* What comes after a restoration counts after it. */
    assert_int_equal(test_append(oh__store_journal(s, 0), 5, 11), OH_OK);
    oh__store_close(s);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.version[5], 11);
    oh__store_close(s);

    /* The old state is beside it, and a second restoration finds another name. */
    assert_int_equal(open_with(&d, test_dir_path(&d, "state.before-restore-1"), false, &other),
                     OH_OK);
    assert_accounts(other, "");
    oh__store_close(other);
    assert_int_equal(oh__store_restore(backup, d.state, d.why), OH_OK);
    assert_int_equal(mode_of(test_dir_path(&d, "state.before-restore-2")), 0700);
    /* And where there is nothing yet. */
    assert_int_equal(oh__store_restore(backup, test_dir_path(&d, "fresh/"), d.why), OH_OK);
    assert_int_equal(open_with(&d, test_dir_path(&d, "fresh"), true, &other), OH_OK);
    assert_accounts(other, row);
    oh__store_close(other);
    test_dir_remove(&d);
}

static void backups_that_fail(void **state)
{
    struct test_dir d;
    struct test_seen seen;
    struct oh__store *s;
    unsigned at = 0;

    (void)state;
    test_dir_make(&d);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(oh__store_backup(s, test_dir_path(&d, "b"), next_never, NULL, d.why),
                     OH_E_NOMEM);
    assert_int_not_equal(access(test_dir_path(&d, "b"), F_OK), 0);
    assert_int_not_equal(access(test_dir_path(&d, "b.partial"), F_OK), 0);
    assert_int_not_equal(oh__store_backup(s, test_dir_path(&d, "no/parent"), next_one, &at, d.why),
                         OH_OK);
    at = 0;
    assert_int_equal(oh__store_backup(s, test_dir_path(&d, "b"), next_one, &at, d.why), OH_OK);
    assert_int_equal(test_append(oh__store_journal(s, 0), 1, 1), OH_OK);
    oh__store_close(s);

    /* What is no backup, or not a whole one, replaces nothing. */
    assert_int_equal(oh__store_restore(test_dir_path(&d, "none"), d.state, d.why), OH_E_ABSENT);
    assert_int_equal(oh__store_restore(d.state, test_dir_path(&d, "x"), d.why), OH_E_CORRUPT);
    assert_non_null(strstr(d.why, "not a backup"));
    assert_int_equal(truncate(test_dir_path(&d, "b/bindings/snapshot"), 100), 0);
    assert_int_equal(oh__store_restore(test_dir_path(&d, "b"), d.state, d.why), OH_E_CORRUPT);
    assert_non_null(strstr(d.why, "snapshot is damaged"));
    assert_int_equal(truncate(test_dir_path(&d, "b/offhook.db"), 5000), 0);
    assert_int_equal(oh__store_restore(test_dir_path(&d, "b"), d.state, d.why), OH_E_CORRUPT);
    s = test_dir_open(&d, 1, 16384);
    assert_int_equal(test_replay(&d, s, &seen), OH_OK);
    assert_int_equal(seen.version[1], 1);
    oh__store_close(s);
    test_dir_remove(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_private),
        cmocka_unit_test(one_owner_at_a_time),
        cmocka_unit_test(directories_above_are_made),
        cmocka_unit_test(directories_that_cannot_be_used),
        cmocka_unit_test(databases_that_cannot_be_used),
        cmocka_unit_test(a_damaged_page),
        cmocka_unit_test(a_locked_database),
        cmocka_unit_test(secrets),
        cmocka_unit_test(accounts),
        cmocka_unit_test(bad_accounts_change_nothing),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(all_of_it_in_memory),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(backups_that_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
