/*
 * Accounts as rows. The database keeps texts as they are given; what they mean
 * (decoded, lower case, hashed) is decided by whoever makes and reads them.
 */
#define _XOPEN_SOURCE 700

#include "store/files.h"
#include "store/parts.h"

/* Bytes of a user, domain, authentication name, realm or display name. */
#define TEXT_MAX 255

/* SQLITE_STATIC: the text is only read until the statement is reset, which is before we return. */
static int bind_text(sqlite3_stmt *stmt, int at, struct oh_span s)
{
    return sqlite3_bind_text64(stmt, at, s.n ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

/* The texts of a row in the order of the statements' columns. */
#define TEXTS 11

static void texts_of(const struct oh__account_row *row, struct oh_span t[TEXTS])
{
    t[0] = row->user;
    t[1] = row->domain;
    t[2] = row->auth_name;
    t[3] = row->realm;
    for (int i = 0; i < 3; i++) {
        t[4 + i] = row->ha1[i];
        t[7 + i] = row->userhash[i];
    }
    t[10] = row->name;
}

/*
 * A NUL would end the text for whoever reads it back as a string, and make
 * another account of it ("alice\0x"). Hashes are shorter than names.
 */
static int check_row(const struct oh__account_row *row)
{
    struct oh_span t[TEXTS];

    texts_of(row, t);
    if (row->user.n == 0)
        return OH_E_SYNTAX;
    for (int i = 0; i < TEXTS; i++) {
        if (t[i].n > (i >= 4 && i < 10 ? OH__HA1_MAX : TEXT_MAX))
            return OH_E_LIMIT;
        if (t[i].n && memchr(t[i].p, '\0', t[i].n))
            return OH_E_SYNTAX;
    }
    return OH_OK;
}

/* One row, inside of a transaction. */
static int put_row(struct oh__db *db, const struct oh__account_row *row, char why[OH__STORE_WHY])
{
    sqlite3_stmt *stmt = db->stmt[OH__DB_ACCOUNT_PUT];
    struct oh_span t[TEXTS];
    int rc = SQLITE_OK;

    texts_of(row, t);
    for (int i = 0; i < TEXTS && rc == SQLITE_OK; i++)
        rc = bind_text(stmt, i + 1, t[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, TEXTS + 1, (sqlite3_int64)row->gone_at);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, TEXTS + 2, row->flags);
    if (rc != SQLITE_OK)
        return oh__db_fail(db, "write", why);
    return oh__db_run(db, OH__DB_ACCOUNT_PUT, "write", why);
}

/* All rows or none; the disk has them when COMMIT has returned. */
static int put_rows(struct oh__db *db, const struct oh__account_row *rows, size_t n,
                    char why[OH__STORE_WHY])
{
    int rc = oh__db_run(db, OH__DB_BEGIN, "write", why);

    if (rc != OH_OK)
        return rc;
    for (size_t i = 0; i < n && rc == OH_OK; i++)
        rc = put_row(db, &rows[i], why);
    if (rc == OH_OK)
        rc = oh__db_run(db, OH__DB_COMMIT, "write", why);
    /* SQLite has rolled back by itself after some errors; a second time is refused and harmless. */
    if (rc != OH_OK)
        oh__db_run(db, OH__DB_ROLLBACK, "write", NULL);
    return rc;
}

int oh__store_accounts_put(struct oh__store *store, const struct oh__account_row *rows, size_t n,
                           char why[OH__STORE_WHY])
{
    int rc;

    for (size_t i = 0; i < n; i++) {
        rc = check_row(&rows[i]);
        if (rc != OH_OK) {
            oh__why(why,
                    "account %zu of %zu: its user is empty, or a text is longer than %d "
                    "bytes or holds a NUL; nothing was changed",
                    i + 1, n, TEXT_MAX);
            return rc;
        }
    }
    if (store->read_only) {
        oh__why(why, "the state directory is open for reading only");
        return OH_E_DENIED;
    }
    pthread_mutex_lock(&store->db.lock);
    rc = put_rows(&store->db, rows, n, why);
    pthread_mutex_unlock(&store->db.lock);
    return rc;
}

/* A row that is not there is told by the number of rows that changed: SQL calls that a success. */
int oh__store_account_remove(struct oh__store *store, struct oh_span user, struct oh_span domain,
                             uint64_t gone_at, char why[OH__STORE_WHY])
{
    enum oh__db_statement which = gone_at ? OH__DB_ACCOUNT_TOMBSTONE : OH__DB_ACCOUNT_DELETE;
    sqlite3_stmt *stmt = store->db.stmt[which];
    int rc = OH_E_IO;

    oh__why(why, "the account cannot be written");
    if (store->read_only)
        return OH_E_IO;
    pthread_mutex_lock(&store->db.lock);
    if (bind_text(stmt, 1, user) == SQLITE_OK && bind_text(stmt, 2, domain) == SQLITE_OK &&
        (!gone_at || sqlite3_bind_int64(stmt, 3, (sqlite3_int64)gone_at) == SQLITE_OK))
        rc = oh__db_run(&store->db, which, "write", why);
    if (rc == OH_OK && sqlite3_changes(store->db.sql) == 0)
        rc = OH_E_ABSENT;
    pthread_mutex_unlock(&store->db.lock);
    return rc == OH_OK || rc == OH_E_ABSENT ? rc : OH_E_IO;
}

/* A column's text, which lives until the statement's next step. */
static struct oh_span column(sqlite3_stmt *stmt, int at)
{
    const char *p = (const char *)sqlite3_column_text(stmt, at);

    return oh_span(p, p ? (size_t)sqlite3_column_bytes(stmt, at) : 0);
}

/* The order of the columns is that of the statement in db.c. */
static struct oh__account_row read_row(sqlite3_stmt *stmt)
{
    struct oh__account_row row = {
        .user = column(stmt, 0),
        .domain = column(stmt, 1),
        .auth_name = column(stmt, 2),
        .realm = column(stmt, 3),
        .name = column(stmt, 10),
        .gone_at = (uint64_t)sqlite3_column_int64(stmt, 11),
        .flags = (uint32_t)sqlite3_column_int64(stmt, 12),
    };

    for (int i = 0; i < 3; i++) {
        row.ha1[i] = column(stmt, 4 + i);
        row.userhash[i] = column(stmt, 7 + i);
    }
    return row;
}

int oh__store_accounts_from(struct oh__store *store, struct oh_span user, struct oh_span domain,
                            int (*visit)(void *ctx, const struct oh__account_row *row), void *ctx)
{
    sqlite3_stmt *stmt = store->db.stmt[OH__DB_ACCOUNT_FROM];
    int rc = OH_OK, step = SQLITE_DONE;

    pthread_mutex_lock(&store->db.lock);
    if (bind_text(stmt, 1, user) != SQLITE_OK || bind_text(stmt, 2, domain) != SQLITE_OK)
        rc = oh__db_fail(&store->db, "read", NULL);
    while (rc == OH_OK && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        struct oh__account_row row = read_row(stmt);

        rc = visit(ctx, &row);
    }
    if (rc == OH_OK && step != SQLITE_DONE)
        rc = oh__db_fail(&store->db, "read", NULL);
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    pthread_mutex_unlock(&store->db.lock);
    return rc;
}

int oh__store_accounts_each(struct oh__store *store,
                            int (*visit)(void *ctx, const struct oh__account_row *row), void *ctx)
{
    return oh__store_accounts_from(store, OH_LIT(""), OH_LIT(""), visit, ctx);
}

/* ---- all of them at once ---- */

/* Rows on their way from one store into another. */
struct transfer {
    struct oh__db *to;
    char *why;
};

static int transfer_row(void *ctx, const struct oh__account_row *row)
{
    struct transfer *t = ctx;
    int rc = check_row(row);

    if (rc != OH_OK) {
        oh__why(t->why, "an account cannot be taken over: its user is empty, or a text is too long "
                        "or holds a NUL; nothing was changed");
        return rc;
    }
    return put_row(t->to, row, t->why);
}

/* Reads one store inside of the other's transaction, so that a fault in any row undoes them all. */
static int replace_rows(struct oh__db *to, struct oh__store *from, char why[OH__STORE_WHY])
{
    struct transfer t = {.to = to, .why = why};
    int rc = oh__db_run(to, OH__DB_BEGIN, "write", why);

    if (rc != OH_OK)
        return rc;
    rc = oh__db_run(to, OH__DB_ACCOUNTS_CLEAR, "write", why);
    if (rc == OH_OK)
        rc = oh__store_accounts_each(from, transfer_row, &t);
    if (rc == OH_OK)
        rc = oh__db_run(to, OH__DB_COMMIT, "write", why);
    if (rc != OH_OK)
        oh__db_run(to, OH__DB_ROLLBACK, "write", NULL);
    return rc;
}

int oh__store_accounts_replace(struct oh__store *store, struct oh__store *from,
                               char why[OH__STORE_WHY])
{
    int rc;

    if (store->read_only || store == from) {
        oh__why(why, "accounts are taken from another store into one that may be written");
        return OH_E_DENIED;
    }
    /* Stands unless a step says something better. */
    oh__why(why, "the accounts could not be read; nothing was changed");
    pthread_mutex_lock(&store->db.lock);
    rc = replace_rows(&store->db, from, why);
    pthread_mutex_unlock(&store->db.lock);
    if (rc == OH_OK)
        oh__why(why, "%s", "");
    return rc;
}
