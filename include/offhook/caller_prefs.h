/*
 * What a caller asks of proxies: Request-Disposition (RFC 3841 9.1),
 * Accept-Contact and Reject-Contact (RFC 3841 9.2).
 */
#ifndef OFFHOOK_CALLER_PREFS_H
#define OFFHOOK_CALLER_PREFS_H

#include <offhook/params.h>

struct oh_contact_pref {
    struct oh_span params; /* feature parameters and flags, from the first ";" */
    bool require;          /* Accept-Contact: drop contacts that do not match */
    bool explicit_match;   /* Accept-Contact: a contact that does not say so does not match */
};

/*
 * Decodes one value of Accept-Contact or Reject-Contact, which must begin with "*". OH_OK,
 * OH_E_SYNTAX, OH_E_DUPLICATE. fault (may be NULL) is relative to value.p.
 */
int oh_contact_pref_decode(struct oh_span value, struct oh_contact_pref *out,
                           struct oh_fault *fault);

/*
 * Takes the next feature parameter off a copy of params, leaving out "require" and "explicit".
 * OH_OK, OH_E_ABSENT at the end, OH_E_SYNTAX.
 */
int oh_feature_next(struct oh_span *params, struct oh_param *out);

/* Writes "*" with the parameters; the flags are written when there are no parameters. */
void oh_contact_pref_put(struct oh_buf *out, const struct oh_contact_pref *p);

/* X(name, bit, text): pairs of opposites stand in neighbouring bits. */
#define OH_DIRECTIVES(X)                \
    X(PROXY, 1 << 0, "proxy")           \
    X(REDIRECT, 1 << 1, "redirect")     \
    X(CANCEL, 1 << 2, "cancel")         \
    X(NO_CANCEL, 1 << 3, "no-cancel")   \
    X(FORK, 1 << 4, "fork")             \
    X(NO_FORK, 1 << 5, "no-fork")       \
    X(RECURSE, 1 << 6, "recurse")       \
    X(NO_RECURSE, 1 << 7, "no-recurse") \
    X(PARALLEL, 1 << 8, "parallel")     \
    X(SEQUENTIAL, 1 << 9, "sequential") \
    X(QUEUE, 1 << 10, "queue")          \
    X(NO_QUEUE, 1 << 11, "no-queue")

enum oh_directive {
#define OH_DIRECTIVE_ENUM(name, bit, text) OH_DIRECTIVE_##name = (bit),
    OH_DIRECTIVES(OH_DIRECTIVE_ENUM)
#undef OH_DIRECTIVE_ENUM
};

/*
 * Decodes a row of Request-Disposition into bits of enum oh_directive and adds them to *set, which
 * starts at 0. Unknown directives are ignored; two opposites are OH_E_DUPLICATE (RFC 3841 9.1
 * allows one of a type), also against what *set holds already; *set is changed only on OH_OK.
 */
int oh_request_disposition_decode(struct oh_span value, unsigned *set, struct oh_fault *fault);

/* Writes the directives of a set. */
void oh_request_disposition_put(struct oh_buf *out, unsigned set);

#endif
