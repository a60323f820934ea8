/*
 * What an account may be called is decided here, once, for the command line,
 * the control socket and imports alike. The rules are those of the places where
 * the texts end up: a user stands in URIs and in quoted strings, its hash is
 * made of "user:realm:password", so a colon in a name would make two accounts
 * of one hash; and all of them are shown on terminals, so no control character
 * gets in.
 */
#include "host/account.h"

#define TEXT_MAX 255

static const enum oh_hash HASHES[3] = {OH_HASH_MD5, OH_HASH_SHA256, OH_HASH_SHA512_256};

/* Digits and letters without 0 o 1 l: what is read out over a telephone must arrive. */
static const char PASSWORD_CHARS[33] = "23456789abcdefghijkmnpqrstuvwxyz";

static bool good_name(struct oh_span s)
{
    if (s.n == 0 || s.n > TEXT_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == 0x7f || (c < 0x7f && strchr("@:<>\"", (char)c)))
            return false;
    }
    return true;
}

/* Text for people: blanks are fine, control characters are not. */
static bool good_text(struct oh_span s)
{
    if (s.n > TEXT_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

/* What is wrong with the names; passwords and HA1s are looked at by the callers. */
static const char *fault_of(const struct oh__new_account *a)
{
    if (!good_name(a->user))
        return "the user name must have 1 to 255 characters, none of them a blank, control "
               "character or one of @ : < > \"";
    if (a->domain.n && !good_name(a->domain))
        return "the domain must be a host name or address";
    if (a->auth_name.n && !good_name(a->auth_name))
        return "the authentication name must have 1 to 255 characters, none of them a blank or "
               "one of @ : < > \"";
    if (a->realm.n == 0 || !good_text(a->realm) || memchr(a->realm.p, '"', a->realm.n))
        return "the realm must have 1 to 255 characters without quotes";
    if (!good_text(a->name))
        return "the display name must have at most 255 characters, none of them a control "
               "character";
    return NULL;
}

/* Copies digits in lower case: it is the text of an HA1 that is hashed further, and RFC 7616 3.4
 * writes it in lower case, whatever an import does. */
static void copy_hex(char *to, struct oh_span hex)
{
    for (size_t i = 0; i < hex.n; i++)
        to[i] = hex.p[i] >= 'A' && hex.p[i] <= 'F' ? (char)(hex.p[i] | 0x20) : hex.p[i];
}

static bool is_hex(struct oh_span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f') ||
              (s.p[i] >= 'A' && s.p[i] <= 'F')))
            return false;
    return true;
}

const char *oh__account_fault(const struct oh__new_account *a)
{
    static const char *const hashes[3] = {"ha1_md5 must have 32 hexadecimal digits",
                                          "ha1_sha256 must have 64 hexadecimal digits",
                                          "ha1_sha512_256 must have 64 hexadecimal digits"};
    const char *fault = fault_of(a);
    bool any = a->password.n > 0;

    /* An HA1 of another length is mostly one of another algorithm in the wrong column. */
    for (unsigned i = 0; i < 3 && !fault; i++) {
        if (a->ha1[i].n && (a->ha1[i].n != 2 * oh_hash_size(HASHES[i]) || !is_hex(a->ha1[i])))
            fault = hashes[i];
        any = any || a->ha1[i].n;
    }
    if (!fault && a->password.n > TEXT_MAX)
        fault = "the password must have at most 255 bytes";
    if (!fault && !good_text(a->password))
        fault = "the password must not have control characters";
    if (!fault && !any)
        fault = "there is neither a password nor an HA1";
    return fault;
}

int oh__account_make(const struct oh_hasher *hasher, const struct oh__new_account *a,
                     struct oh__account_made *out, const char **why)
{
    struct oh_span auth_name = a->auth_name.n ? a->auth_name : a->user;
    struct oh__account_row *row = &out->row;
    bool any = false;

    *why = fault_of(a);
    if (*why)
        return OH_E_SYNTAX;
    *row = (struct oh__account_row){.user = a->user,
                                    .domain = a->domain,
                                    .auth_name = auth_name,
                                    .realm = a->realm,
                                    .name = a->name,
                                    .flags = a->flags};
    for (unsigned i = 0; i < 3; i++) {
        /* All three, whatever is asked for today: without the password none can be made later. */
        size_t n = oh_digest_userhash(hasher, HASHES[i], auth_name, a->realm, out->userhash[i]);

        row->userhash[i] = oh_span(out->userhash[i], n);
        if (a->password.n)
            n = oh_digest_ha1(hasher, HASHES[i], auth_name, a->realm, a->password, out->ha1[i]);
        else if ((n = a->ha1[i].n) == 2 * oh_hash_size(HASHES[i]))
            copy_hex(out->ha1[i], a->ha1[i]);
        else
            n = 0;
        row->ha1[i] = oh_span(out->ha1[i], n);
        any = any || n;
    }
    if (any)
        return OH_OK;
    *why = "there is neither a password nor an HA1 of the right length";
    return OH_E_ABSENT;
}

void oh__password_make(struct oh__rng *rng, char out[OH__PASSWORD_MAX])
{
    size_t n = 0;

    /* 16 of 32 characters: 80 bits, in groups of four, as people copy them. */
    for (unsigned i = 0; i < 16; i++) {
        if (i && i % 4 == 0)
            out[n++] = '-';
        out[n++] = PASSWORD_CHARS[oh__rng_below(rng, 32)];
    }
    out[n] = 0;
}
