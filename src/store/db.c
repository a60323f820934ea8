/*
 * The journal mode is DELETE, not WAL: accounts change rarely, a backup or a
 * look with another tool then meets one file, and a database that was closed
 * needs no write access to be read. SQLite's synchronous=EXTRA is FULL plus a
 * sync of the directory after the rollback journal is removed: without it, a
 * power cut right after a commit could bring the journal back, and with it
 * the state before the commit.
 */
#define _XOPEN_SOURCE 700

#include "store/db.h"

#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* "ohok", in SQLite's header; `file` and other tools show it. */
#define APPLICATION 0x6f686f6b

/* How long a call may wait for another program's lock, in milliseconds. */
#define BUSY_MS 2000

/*
 * The schema, as the steps that lead to it: step i takes a database from
 * version i to i + 1. A step that has been released is never changed.
 */
static const char *const steps[] = {
    "CREATE TABLE setting ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " value BLOB NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE account ("
    " user TEXT NOT NULL,"
    " domain TEXT NOT NULL,"
    " auth_name TEXT NOT NULL,"
    " realm TEXT NOT NULL,"
    " ha1_md5 TEXT NOT NULL,"
    " ha1_sha256 TEXT NOT NULL,"
    " ha1_sha512_256 TEXT NOT NULL,"
    " userhash_md5 TEXT NOT NULL,"
    " userhash_sha256 TEXT NOT NULL,"
    " userhash_sha512_256 TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " gone_at INTEGER NOT NULL," /* wall ms; 0 = live */
    " flags INTEGER NOT NULL,"
    " PRIMARY KEY (user, domain)"
    ") WITHOUT ROWID;",
};

#define SCHEMA ((int)(sizeof(steps) / sizeof(steps[0])))

/* In the order of enum oh__db_statement. */
static const char *const texts[OH__DB_STATEMENTS] = {
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SELECT value FROM setting WHERE name = ?1",
    "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
    "INSERT OR REPLACE INTO account (user, domain, auth_name, realm, ha1_md5, ha1_sha256,"
    " ha1_sha512_256, userhash_md5, userhash_sha256, userhash_sha512_256, name, gone_at, flags)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    "UPDATE account SET gone_at = ?3 WHERE user = ?1 AND domain = ?2",
    "DELETE FROM account WHERE user = ?1 AND domain = ?2",
    "DELETE FROM account",
    "SELECT user, domain, auth_name, realm, ha1_md5, ha1_sha256, ha1_sha512_256, userhash_md5,"
    " userhash_sha256, userhash_sha512_256, name, gone_at, flags FROM account"
    " WHERE (user, domain) >= (?1, ?2) ORDER BY user, domain", /* the order of the key: no sort */
};

/* The path for sentences. */
static const char *path_of(const struct oh__db *db)
{
    const char *path = db->sql ? sqlite3_db_filename(db->sql, "main") : NULL;

    return path && path[0] ? path : "the database in memory";
}

/* What the system said, which SQLite's own text leaves out. */
static int io_failed(struct oh__db *db, const char *doing, char why[OH__STORE_WHY])
{
    int err = sqlite3_system_errno(db->sql);

    /* Whatever it was, the caller has changed nothing and may try again. */
    oh__files_fail(why, err ? err : EIO, doing, path_of(db));
    return OH_E_IO;
}

/*
 * Why no file can be made beside the database, which SQLite needs for each change. It tries several
 * ways and so forgets the reason of the first; 0 when there is none any more.
 */
static int why_no_journal(const char *path)
{
    char probe[OH__PATH_MAX];
    int n = snprintf(probe, sizeof(probe), "%s-probe", path), fd;

    if (n < 0 || (size_t)n >= sizeof(probe))
        return ENAMETOOLONG;
    fd = open(probe, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    unlink(probe);
    return 0;
}

/* A file that may not be written, for one of three reasons that are mended in three ways. */
static int not_allowed(struct oh__db *db, const char *doing, char why[OH__STORE_WHY])
{
    const char *path = path_of(db);
    int err = sqlite3_errcode(db->sql) == SQLITE_CANTOPEN ? why_no_journal(path) : EACCES;

    if (sqlite3_extended_errcode(db->sql) == SQLITE_READONLY_DBMOVED) {
        oh__why(why,
                "cannot %s %s: it was deleted or moved under the running server; put it back, or "
                "take a backup, stop the server and restore it",
                doing, path);
        return OH_E_IO;
    }
    if (err && err != EACCES && err != EPERM)
        return oh__files_fail(why, err, doing, path);
    oh__why(why, "cannot %s %s: no permission; run as the user that owns it, or mend its mode",
            doing, path);
    return OH_E_DENIED;
}

int oh__db_fail(struct oh__db *db, const char *doing, char why[OH__STORE_WHY])
{
    const char *path = path_of(db);
    int rc = db->sql ? sqlite3_errcode(db->sql) : SQLITE_NOMEM;

    switch (rc) {
    case SQLITE_FULL:
        oh__why(why, "cannot %s %s: its disk is full; nothing was changed: free space and repeat",
                doing, path);
        return OH_E_IO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        oh__why(why, "cannot %s %s: another program has locked it; close that program and repeat",
                doing, path);
        return OH_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        oh__why(why, "cannot %s %s: it is damaged; restore an intact backup with offhook restore",
                doing, path);
        return OH_E_CORRUPT;
    case SQLITE_IOERR: return io_failed(db, doing, why);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return not_allowed(db, doing, why);
    case SQLITE_NOMEM: oh__why(why, "cannot %s %s: out of memory", doing, path); return OH_E_NOMEM;
    default: oh__why(why, "cannot %s %s: %s", doing, path, sqlite3_errmsg(db->sql)); return OH_E_IO;
    }
}

/* Runs SQL that is a constant of this file. */
static int run_text(struct oh__db *db, const char *sql, const char *doing, char why[OH__STORE_WHY])
{
    if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
        return oh__db_fail(db, doing, why);
    return OH_OK;
}

/* The number that a query without parameters gives. */
static int ask_number(struct oh__db *db, const char *sql, int *out, char why[OH__STORE_WHY])
{
    sqlite3_stmt *stmt = NULL;
    int rc = OH_OK;

    if (sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        rc = oh__db_fail(db, "read", why);
    else
        *out = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return rc;
}

/* Whether the pages hang together; a look at structure that does not compare indexes with tables.
 */
static int check_whole(struct oh__db *db, char why[OH__STORE_WHY])
{
    sqlite3_stmt *stmt = NULL;
    const char *found;
    int rc = OH_OK;

    if (sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        rc = oh__db_fail(db, "check", why);
        goto out;
    }
    found = (const char *)sqlite3_column_text(stmt, 0);
    if (!found || strcmp(found, "ok") != 0) {
        oh__why(why, "%s is damaged: restore an intact backup with offhook restore", path_of(db));
        rc = OH_E_CORRUPT;
    }
out:
    sqlite3_finalize(stmt);
    return rc;
}

/* Takes the schema from a version to the present one, all steps or none. */
static int upgrade(struct oh__db *db, int version, char why[OH__STORE_WHY])
{
    char pragma[64];
    int rc = run_text(db, "BEGIN IMMEDIATE", "upgrade", why);

    if (rc != OH_OK)
        return rc;
    for (; version < SCHEMA && rc == OH_OK; version++)
        rc = run_text(db, steps[version], "upgrade", why);
    sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                     APPLICATION, SCHEMA);
    if (rc == OH_OK)
        rc = run_text(db, pragma, "upgrade", why);
    if (rc == OH_OK)
        rc = run_text(db, "COMMIT", "upgrade", why);
    if (rc != OH_OK)
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* Is it ours, of a version that we know, and whole? */
static int check(struct oh__db *db, bool read_only, char why[OH__STORE_WHY])
{
    int application = 0, version = 0, tables = 0, rc;

    if ((rc = ask_number(db, "PRAGMA application_id", &application, why)) != OH_OK ||
        (rc = ask_number(db, "PRAGMA user_version", &version, why)) != OH_OK ||
        (rc = ask_number(db, "SELECT count(*) FROM sqlite_master", &tables, why)) != OH_OK)
        return rc;
    if (application != APPLICATION && (application || version || tables)) {
        oh__why(why, "%s is a database of another program: give --state another directory",
                path_of(db));
        return OH_E_CORRUPT;
    }
    if (version > SCHEMA) {
        oh__why(why,
                "%s was written by a newer offhook (schema %d, this program knows %d): upgrade the "
                "program or restore an older backup",
                path_of(db), version, SCHEMA);
        return OH_E_VERSION;
    }
    if ((rc = check_whole(db, why)) != OH_OK || version == SCHEMA)
        return rc;
    if (read_only && version == 0) {
        oh__why(why, "%s is empty", path_of(db));
        return OH_E_CORRUPT;
    }
    if (read_only) {
        oh__why(why, "%s is of an older offhook (schema %d): start the server once to upgrade it",
                path_of(db), version);
        return OH_E_VERSION;
    }
    return upgrade(db, version, why);
}

/* Once, at the start: a text that does not fit the schema is found here and not when it is needed.
 */
static int prepare_all(struct oh__db *db, char why[OH__STORE_WHY])
{
    for (int i = 0; i < OH__DB_STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sql, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[i],
                               NULL) != SQLITE_OK)
            return oh__db_fail(db, "prepare", why);
    }
    return OH_OK;
}

/* SQLite makes files with the umask's mode; secrets want 0600 from the first byte. */
static int make_file(const char *path, bool read_only, char why[OH__STORE_WHY])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (read_only ? 0 : O_CREAT), 0600);

    if (fd < 0)
        return oh__files_fail(why, errno, "open", path);
    close(fd);
    return OH_OK;
}

int oh__db_open(struct oh__db *db, const char *dir, bool read_only, char why[OH__STORE_WHY])
{
    char path[OH__PATH_MAX] = ":memory:";
    int rc = OH_OK;

    memset(db, 0, sizeof(*db));
    pthread_mutex_init(&db->lock, NULL);
    if (dir && oh__files_join(path, dir, OH__DB_NAME) != OH_OK) {
        oh__why(why, "the path of the state directory is too long");
        return OH_E_LIMIT;
    }
    if (dir && (rc = make_file(path, read_only, why)) != OH_OK)
        return rc;
    /* A reader opens for writing too where it may: it may have to roll back what a crash left. */
    if (sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        rc = oh__db_fail(db, "open", why);
    else
        sqlite3_busy_timeout(db->sql, BUSY_MS);
    if (rc == OH_OK)
        rc = run_text(db,
                      "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;"
                      "PRAGMA trusted_schema=OFF",
                      "open", why);
    if (rc == OH_OK)
        rc = check(db, read_only, why);
    if (rc == OH_OK)
        rc = prepare_all(db, why);
    if (rc == OH_OK && read_only)
        rc = run_text(db, "PRAGMA query_only=ON", "open", why);
    if (rc != OH_OK)
        oh__db_close(db);
    return rc;
}

void oh__db_close(struct oh__db *db)
{
    if (!db->sql)
        return;
    for (int i = 0; i < OH__DB_STATEMENTS; i++)
        sqlite3_finalize(db->stmt[i]);
    sqlite3_close(db->sql);
    pthread_mutex_destroy(&db->lock);
    memset(db, 0, sizeof(*db));
}

int oh__db_run(struct oh__db *db, enum oh__db_statement which, const char *doing,
               char why[OH__STORE_WHY])
{
    sqlite3_stmt *stmt = db->stmt[which];
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? OH_OK : oh__db_fail(db, doing, why);

    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return rc;
}

int oh__db_copy(struct oh__db *db, const char *to_path, char why[OH__STORE_WHY])
{
    struct oh__db to = {0};
    sqlite3_backup *backup;
    int rc = make_file(to_path, false, why);

    if (rc != OH_OK)
        return rc;
    if (sqlite3_open_v2(to_path, &to.sql, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        rc = oh__db_fail(&to, "write", why);
        sqlite3_close(to.sql);
        return rc;
    }
    /* All pages in one step, under our lock: a copy in pieces would start anew with each change. */
    pthread_mutex_lock(&db->lock);
    backup = sqlite3_backup_init(to.sql, "main", db->sql, "main");
    if (backup) {
        sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    pthread_mutex_unlock(&db->lock);
    /* The copy's handle remembers the error of any of the three. */
    if (sqlite3_errcode(to.sql) != SQLITE_OK)
        rc = oh__db_fail(&to, "write", why);
    if (sqlite3_close(to.sql) != SQLITE_OK && rc == OH_OK) {
        oh__why(why, "cannot finish writing %s", to_path);
        rc = OH_E_IO;
    }
    return rc;
}
