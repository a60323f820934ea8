/*
 * Account administration. One code for two places: the control thread of a
 * running server, where the tables of the workers must follow the store, and a
 * command that has locked the state of a server that does not run.
 */
#ifndef OH_HOST_ADMIN_H
#define OH_HOST_ADMIN_H

#include "host/account.h"
#include "serve/accounts.h"
#include "serve/location.h"
#include "serve/settings.h"

#define OH__TOMBSTONE_DAYS                                                \
    30 /* how long callers of a removed account are told that it has gone \
        */

struct oh__admin {
    struct oh__store *store;
    struct oh__accounts *accounts;       /* the workers' table; NULL when no server runs */
    struct oh__location *location;       /* NULL: no bindings are known, none are ended */
    struct oh__journal *journal;         /* of the caller's thread; NULL: bindings in memory only */
    const struct oh__settings *settings; /* NULL when no server runs */
    const struct oh_hasher *hasher;
    struct oh__rng *rng;
    uint64_t wall;             /* ms, now */
    char domain[OH__NAME_MAX]; /* of accounts that are made without one; "" = all of the server's */
    char realm[OH__NAME_MAX];  /* for those with domain "" */
};

#define OH__ADMIN_WHY 512

/* An account to be made; as struct oh__new_account, but an absent domain, realm or auth_name is
 * filled in. p == NULL means absent. */
struct oh__admin_row {
    struct oh__new_account account;
    unsigned line; /* of the file that is imported, for sentences; 0 = none */
    bool keep;     /* flags, and a name that is absent, are those of the account it replaces */
};

/* What is wrong with one row. */
struct oh__admin_fault {
    unsigned line;
    const char *why; /* a static sentence */
};

/* Fills in what a row leaves open. Text is that of the row or of admin. */
void oh__admin_complete(const struct oh__admin *admin, struct oh__new_account *account);

/*
 * Checks rows (completed ones) without changing anything: every row's form, and that no two are the
 * same account. Writes at most max faults in the order of the rows and returns how many there are,
 * or a negative OH_E_NOMEM. The rows' order changes nothing.
 */
int oh__admin_check(const struct oh__admin_row *rows, size_t n, struct oh__admin_fault *faults,
                    unsigned max);

struct oh__admin_put {
    size_t added, replaced;
};

/*
 * Makes or replaces accounts, completed and checked ones, in one transaction: first in the store,
 * then in the workers' table. OH_OK; OH_E_SYNTAX, OH_E_ABSENT (no password and no HA1), OH_E_NOMEM
 * or the store's code, with a sentence in why: then nothing has changed.
 */
int oh__admin_put(struct oh__admin *admin, const struct oh__admin_row *rows, size_t n,
                  struct oh__admin_put *done, char why[OH__ADMIN_WHY]);

/* A copy of the account with this user and exactly this domain, tombstones included. OH_OK,
 * OH_E_ABSENT, OH_E_IO. */
int oh__admin_get(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                  struct oh__account *out);

/*
 * True when the server asks phones for passwords of this realm. The hashes of an account hold for
 * its realm alone, and that of a server without domains is none of the domains it is given later.
 * s may be NULL: then nobody knows, and it is true.
 */
bool oh__admin_asks(const struct oh__settings *s, struct oh_span realm);

/*
 * The account that somebody means by NAME[@DOMAIN]: with a domain that one, without the one of the
 * default domain, or of all domains. A server without domains is asked for NAME@REALM, too, as its
 * log and lists write it. OH_OK (live ones only), OH_E_ABSENT, OH_E_IO.
 */
int oh__admin_find(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                   struct oh__account *out);

/* Gives an account a new password. Codes as oh__admin_put. */
int oh__admin_passwd(struct oh__admin *admin, const struct oh__account *account,
                     struct oh_span password, char why[OH__ADMIN_WHY]);

/* Stores an account whose name or flags were changed; hashes stay. Codes as oh__admin_put. */
int oh__admin_update(struct oh__admin *admin, const struct oh__account *account,
                     char why[OH__ADMIN_WHY]);

/*
 * Removes an account: leaves a tombstone, or with forget nothing. Its bindings end, durably when
 * there is a journal; *ended (may be NULL) tells how many AORs had some. OH_OK, or a code with why.
 */
int oh__admin_remove(struct oh__admin *admin, const struct oh__account *account, bool forget,
                     unsigned *ended, char why[OH__ADMIN_WHY]);

/*
 * Ends the bindings of an account that was taken out, as oh__admin_remove does, under each of the
 * server's names when domain is "", but not where a live account of that domain alone has the name.
 * *ended grows by the AORs that had some. OH_OK or a code of oh__location_register or the journal.
 */
int oh__admin_end_bindings(struct oh__admin *admin, struct oh_span user, struct oh_span domain,
                           unsigned *ended);

/* Deletes tombstones older than OH__TOMBSTONE_DAYS. Returns how many went, or a negative code. */
int oh__admin_purge(struct oh__admin *admin);

/* ---- what a state remembers of its server ---- */

/* Notes domain and realm of accounts made without one, when they are not noted already. OH_OK or
 * OH_E_IO. */
int oh__admin_remember(struct oh__store *store, const char *domain, const char *realm);

/* Reads them; OH_E_ABSENT when no server has noted any. */
int oh__admin_recall(struct oh__store *store, char domain[OH__NAME_MAX], char realm[OH__NAME_MAX]);

#endif
