/*
 * Accounts in memory: what digest needs, so that no request waits for a
 * database. Loaded from the store at start and changed by the control thread
 * after the store has it. Process-wide, striped like the location table.
 */
#ifndef OH_SERVE_ACCOUNTS_H
#define OH_SERVE_ACCOUNTS_H

#include <offhook/alloc.h>
#include <offhook/digest.h>

struct oh__accounts;
struct oh__account_row;

struct oh__account { /* a bounded copy */
    char user[256], domain[256], auth_name[256], realm[256], name[256];
    char ha1[3][OH_HASH_HEX_MAX]; /* by enum oh_hash - 1 */
    uint8_t ha1_len[3];           /* 0 = not stored */
    uint64_t gone_at;             /* wall ms; 0 = live */
    uint32_t flags;               /* enum oh__account_flag of store.h */
};

/* Makes an empty table. NULL on failure. */
struct oh__accounts *oh__accounts_new(const struct oh_alloc *alloc, const uint8_t key[16]);

/* Ends it. NULL is ignored. */
void oh__accounts_free(struct oh__accounts *accounts);

/* Inserts or replaces. OH_OK, OH_E_NOMEM, or OH_E_LIMIT for a text longer than oh__account has room
 * for. */
int oh__accounts_put(struct oh__accounts *accounts, const struct oh__account_row *row);

/* Takes an account out. OH_OK or OH_E_ABSENT. */
int oh__accounts_remove(struct oh__accounts *accounts, struct oh_span user, struct oh_span domain);

/*
 * By AOR: user as decoded text, domain lower case. An account with domain "" serves every domain
 * that has none of its own for this user. Tombstones are found, with gone_at set. OH_OK or
 * OH_E_ABSENT.
 */
int oh__accounts_find(struct oh__accounts *accounts, struct oh_span user, struct oh_span domain,
                      struct oh__account *out);

/*
 * By authentication name and realm (or by userhash, in either case, and realm when hashed). When
 * several accounts have the same, a live one comes before a tombstone. OH_OK or OH_E_ABSENT.
 */
int oh__accounts_find_auth(struct oh__accounts *accounts, struct oh_span auth_name,
                           struct oh_span realm, bool hashed, struct oh__account *out);

/* How many live accounts there are. */
uint32_t oh__accounts_count(const struct oh__accounts *accounts);

#endif
