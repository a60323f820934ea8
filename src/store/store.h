/*
 * What may be asked of the store. Two kinds of data with two promises:
 *
 * Accounts and secrets live in SQLite (STATE/offhook.db, synchronous=FULL).
 * They are changed by the control thread, never by a worker, and are on disk
 * when the call returns.
 *
 * Bindings live in journals (STATE/bindings/WORKER-SEQUENCE.log): one
 * append-only, checksummed log per worker in preallocated segments. A worker appends
 * records while it runs a batch and calls oh__journal_commit once before the
 * batch's replies leave: what was acknowledged survives kill -9. A record is
 * the whole state of one AOR with a version, so replay keeps the highest
 * version of each and the order between logs does not matter.
 */
#ifndef OH_STORE_STORE_H
#define OH_STORE_STORE_H

#include <offhook/alloc.h>
#include <offhook/error.h>
#include <offhook/span.h>

struct oh__store;
struct oh__journal;

#define OH__STORE_WHY 256 /* room for a sentence that says what is wrong and what to do */

struct oh__store_options {
    const char *dir;        /* state directory; made with mode 0700 when missing. NULL: memory only,
                               nothing survives */
    bool read_only;         /* for commands that only look while no server runs */
    unsigned workers;       /* how many journals */
    uint32_t segment_bytes; /* preallocated at a time; 0 = 16 MiB */
};

/*
 * Opens the store and locks the directory (STATE/lock, holding the pid). OH_E_BUSY when another
 * process has it, OH_E_VERSION when a newer program wrote it, OH_E_CORRUPT, OH_E_DENIED, OH_E_IO;
 * why gets a sentence.
 */
int oh__store_open(const struct oh__store_options *options, struct oh__store **out,
                   char why[OH__STORE_WHY]);

/* Commits, syncs and closes. NULL is ignored. */
void oh__store_close(struct oh__store *store);

/*
 * What keeps bindings from being written, so that it can be told once and not with each request
 * that suffers from it.
 */
struct oh__store_trouble {
    int code;                /* of the first failure; OH_OK: there is none */
    bool refusing;           /* registrations were refused because of it, not only put at risk */
    char why[OH__STORE_WHY]; /* what could not be done, to which file, and the system's reason */
};

/* Copies the present trouble. It ends when oh__store_compact has succeeded with everything. */
void oh__store_trouble(struct oh__store *store, struct oh__store_trouble *out);

/*
 * Has a function called when something waits for oh__store_compact: a trouble has begun, or a
 * prepared segment was taken. It may be called by any thread that uses a journal, with locks held,
 * and must only wake somebody. NULL ends that; calls that are under way have returned then.
 */
void oh__store_watch(struct oh__store *store, void (*wake)(void *ctx), void *ctx);

/* ---- secrets and small settings that must persist ---- */

/* Reads a named value; *len is the room and then the size. OH_OK, OH_E_ABSENT, OH_E_LIMIT, OH_E_IO.
 */
int oh__store_get(struct oh__store *store, const char *name, void *out, size_t *len);

/* Writes a named value durably. OH_OK or OH_E_IO. */
int oh__store_put(struct oh__store *store, const char *name, const void *value, size_t len);

/* ---- accounts ---- */

#define OH__HA1_MAX 64 /* hex digits */

/* All text is bounded: user, domain, auth_name, realm, name at most 255 bytes each. */
struct oh__account_row {
    struct oh_span user, domain; /* AOR = user@domain; domain "" = every domain of this server */
    struct oh_span auth_name;    /* usually the user */
    struct oh_span realm;        /* fixed at creation (decision 12) */
    struct oh_span ha1[3];      /* MD5, SHA-256, SHA-512-256 as hex; empty when unknown (imports) */
    struct oh_span userhash[3]; /* H(auth_name:realm) in the same order (RFC 7616 3.4.4); empty =
                                   not findable that way */
    struct oh_span name;        /* display name */
    uint64_t gone_at;           /* wall ms of removal: a tombstone answers 410; 0 = live */
    uint32_t flags;             /* enum oh__account_flag */
};

enum oh__account_flag {
    OH__ACCOUNT_ADMIN = 1,  /* may register for any AOR of its domain (third party) */
    OH__ACCOUNT_BARRED = 2, /* may not call out: 403 */
};

/*
 * Inserts or replaces accounts in one transaction, durably. OH_OK; OH_E_LIMIT or OH_E_SYNTAX for a
 * text that is too long, holds a NUL, or an empty user; OH_E_BUSY, OH_E_DENIED, OH_E_IO (disk full:
 * why says so). All or nothing.
 */
int oh__store_accounts_put(struct oh__store *store, const struct oh__account_row *rows, size_t n,
                           char why[OH__STORE_WHY]);

/* Turns an account into a tombstone (gone_at) or, with gone_at 0, deletes the row. OH_OK or
 * OH_E_ABSENT, or OH_E_IO with why. */
int oh__store_account_remove(struct oh__store *store, struct oh_span user, struct oh_span domain,
                             uint64_t gone_at, char why[OH__STORE_WHY]);

/*
 * Calls visit for every account from this one on, tombstones included, in the order of user and
 * then domain, as bytes; two empty texts are the beginning. Costs what is visited, not what is
 * there, so a page or one user may be read out of a million. Spans live during the call, which may
 * not use the store. Stops at the first non-zero return, which it returns.
 */
int oh__store_accounts_from(struct oh__store *store, struct oh_span user, struct oh_span domain,
                            int (*visit)(void *ctx, const struct oh__account_row *row), void *ctx);

/* As oh__store_accounts_from with all accounts. */
int oh__store_accounts_each(struct oh__store *store,
                            int (*visit)(void *ctx, const struct oh__account_row *row), void *ctx);

/*
 * Gives the store exactly the accounts of another one, tombstones included, in one transaction and
 * durably; those that the other lacks are deleted. Codes as oh__store_accounts_put, and
 * OH_E_CORRUPT when the other cannot be read. All or nothing.
 */
int oh__store_accounts_replace(struct oh__store *store, struct oh__store *from,
                               char why[OH__STORE_WHY]);

/* ---- bindings ---- */

/* The journal of a worker, NULL when there are not so many. One thread at a time uses a journal. */
struct oh__journal *oh__store_journal(struct oh__store *store, unsigned worker);

/*
 * Adds a record to the batch in memory, having made sure that its place on disk is allocated, so
 * that commit cannot fail for want of space. OH_OK, or OH_E_FULL when the disk is full (answer
 * 500), or OH_E_IO after a failed commit until oh__store_compact has found that files can be
 * written again. OH_E_LIMIT: an empty AOR, or more than 256 KiB.
 *
 * To be called with the lock of the AOR's state held, the same lock that the `next` of
 * oh__store_compact takes: what was appended before a snapshot began is then in the snapshot. It
 * writes nothing but a full batch or segment.
 */
int oh__journal_append(struct oh__journal *journal, struct oh_span aor, uint64_t version,
                       struct oh_span record);

/* True when records wait for commit. */
bool oh__journal_pending(const struct oh__journal *journal);

/* Writes the batch with one system call. OH_OK, or OH_E_IO: the replies of this batch must not
 * leave. */
int oh__journal_commit(struct oh__journal *journal);

/*
 * Replays snapshot and journals at start: visit gets every intact record of the highest version
 * seen so far for its AOR, and may therefore be called again for the same AOR with a higher
 * version. A torn tail is left out. Damage elsewhere is passed over: OH_OK then, too, with a
 * warning in why, which is empty otherwise. OH_E_IO, OH_E_NOMEM, OH_E_VERSION, or what visit
 * returned when that was not OH_OK. Before a replay no snapshot is ever written. Prepares the first
 * segments of all journals, so that the first REGISTERs wait for no disk.
 */
int oh__store_replay(struct oh__store *store,
                     int (*visit)(void *ctx, struct oh_span aor, uint64_t version,
                                  struct oh_span record),
                     void *ctx, char why[OH__STORE_WHY]);

/*
 * Compaction, run by the host's background thread about once a second: syncs, and when closed
 * segments exceed the live data writes a snapshot by asking `next` for records until it returns
 * OH_E_ABSENT, then drops the segments that the snapshot covers. next may copy out of locked
 * tables; it is called without locks of the store held. What it gives is used before it is called
 * again. OH_OK, or OH_E_FULL, OH_E_IO, OH_E_DENIED, OH_E_NOMEM or what next returned: then nothing
 * was dropped, and the next call tries again. Files that somebody has deleted meanwhile are made
 * good by a snapshot; when the state directory itself is gone, journals refuse from then on.
 */
int oh__store_compact(struct oh__store *store,
                      int (*next)(void *ctx, struct oh_span *aor, uint64_t *version,
                                  struct oh_span *record),
                      void *ctx);

/* True when oh__store_compact would write a snapshot. */
bool oh__store_wants_compaction(const struct oh__store *store);

/* ---- backup ---- */

/* Writes a consistent copy (accounts, secrets, a snapshot of bindings) into a new directory while
 * running. OH_E_DUPLICATE when it is there already, or another code, with why. */
int oh__store_backup(struct oh__store *store, const char *to_dir,
                     int (*next)(void *ctx, struct oh_span *aor, uint64_t *version,
                                 struct oh_span *record),
                     void *ctx, char why[OH__STORE_WHY]);

/*
 * Opens a backup for reading, as oh__store_open and oh__store_replay do, and checks all of it:
 * visit gets its bindings. OH_E_ABSENT when the directory is no backup, OH_E_CORRUPT when any of it
 * cannot be read or it is a state directory, or what visit returned, with why. To be closed with
 * oh__store_close.
 */
int oh__store_backup_open(const char *dir,
                          int (*visit)(void *ctx, struct oh_span aor, uint64_t version,
                                       struct oh_span record),
                          void *ctx, struct oh__store **out, char why[OH__STORE_WHY]);

/* Puts a backup into a state directory that no server uses; what was there is kept as
 * DIR.before-restore-N. OH_E_* with why. */
int oh__store_restore(const char *from_dir, const char *state_dir, char why[OH__STORE_WHY]);

#endif
