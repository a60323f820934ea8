/*
 * The SQLite part of a state directory: opening it with all checks, the
 * schema and its upgrades, and statements with bound values only. Calls may
 * come from several threads; one mutex serialises them.
 */
#ifndef OH_STORE_DB_H
#define OH_STORE_DB_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

#define OH__DB_NAME "offhook.db"

enum oh__db_statement {
    OH__DB_BEGIN,
    OH__DB_COMMIT,
    OH__DB_ROLLBACK,
    OH__DB_SETTING_GET,
    OH__DB_SETTING_PUT,
    OH__DB_ACCOUNT_PUT,
    OH__DB_ACCOUNT_TOMBSTONE,
    OH__DB_ACCOUNT_DELETE,
    OH__DB_ACCOUNTS_CLEAR,
    OH__DB_ACCOUNT_FROM,
    OH__DB_STATEMENTS
};

struct oh__db {
    sqlite3 *sql;
    sqlite3_stmt *stmt[OH__DB_STATEMENTS];
    pthread_mutex_t lock; /* held during a statement, from its binding to its reset */
};

/*
 * Opens or makes the database in a directory; NULL is one in memory. Checks that it is ours and
 * whole, and upgrades its schema. OH_OK, OH_E_VERSION, OH_E_CORRUPT, OH_E_BUSY, OH_E_DENIED,
 * OH_E_ABSENT (read_only and not there), OH_E_IO, OH_E_NOMEM, with a sentence in why.
 */
int oh__db_open(struct oh__db *db, const char *dir, bool read_only, char why[OH__STORE_WHY]);

/* Closes it; a db that failed to open, or was cleared to zero, may be closed too. */
void oh__db_close(struct oh__db *db);

/* Turns SQLite's last error into a code and a sentence about what was being done to the database.
 */
int oh__db_fail(struct oh__db *db, const char *doing, char why[OH__STORE_WHY]);

/* Runs a statement that gives no rows, and resets it and its bindings. OH_OK or as oh__db_fail. */
int oh__db_run(struct oh__db *db, enum oh__db_statement which, const char *doing,
               char why[OH__STORE_WHY]);

/* Writes a consistent copy, while others use the original, into a new file. As oh__db_fail. */
int oh__db_copy(struct oh__db *db, const char *to_path, char why[OH__STORE_WHY]);

#endif
