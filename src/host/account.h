/*
 * Making accounts: names are checked, passwords become HA1s at once and are
 * never kept (decision 12).
 */
#ifndef OH_HOST_ACCOUNT_H
#define OH_HOST_ACCOUNT_H

#include <offhook/digest.h>

#include "base/hash.h"
#include "store/store.h"

#define OH__PASSWORD_MAX 33 /* a generated password and its terminator: 80 bits in base32 */

struct oh__new_account {
    struct oh_span user, domain, auth_name, realm, name; /* auth_name "": user; realm is required */
    struct oh_span password;                             /* empty: ha1 is given */
    struct oh_span ha1[3]; /* for imports: MD5, SHA-256, SHA-512-256 */
    uint32_t flags;
};

/* A row and the room that its hashes point into. */
struct oh__account_made {
    struct oh__account_row row; /* texts other than hashes point where the caller's did */
    char ha1[3][OH_HASH_HEX_MAX];
    char userhash[3][OH_HASH_HEX_MAX];
};

/* What is wrong with the texts of an account, as a static sentence; NULL when nothing is. A
 * password or an HA1 must be there, and an HA1 be of its algorithm's length and hexadecimal. */
const char *oh__account_fault(const struct oh__new_account *account);

/*
 * Fills the row; given HA1s are stored in lower case. OH_E_SYNTAX with *why set to a static
 * sentence when a name is empty, too long, or has control characters, blanks or one of @ : < > " in
 * it; OH_E_ABSENT when there is neither password nor HA1.
 */
int oh__account_make(const struct oh_hasher *hasher, const struct oh__new_account *account,
                     struct oh__account_made *out, const char **why);

/* Writes a random password of 80 bits in characters that nobody confuses. */
void oh__password_make(struct oh__rng *rng, char out[OH__PASSWORD_MAX]);

#endif
