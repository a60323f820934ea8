/*
 * URIs: sip, sips and tel in full, every other scheme as opaque text
 * (RFC 3261 19.1, RFC 3966). All spans point into the parsed text.
 */
#ifndef OFFHOOK_URI_H
#define OFFHOOK_URI_H

#include <offhook/buf.h>
#include <offhook/error.h>

enum oh_scheme { OH_SCHEME_OTHER = 0, OH_SCHEME_SIP, OH_SCHEME_SIPS, OH_SCHEME_TEL };

struct oh_uri {
    struct oh_span text; /* all of it, without <> */
    struct oh_span scheme_text;
    struct oh_span user;     /* escaped as received; for tel the number; has user-parameters such as
                                ";par=u" inside */
    struct oh_span password; /* p == NULL: no ":" at all */
    struct oh_span host;     /* as received; IPv6 with brackets */
    struct oh_span params;   /* without the leading ";"; may be empty */
    struct oh_span headers;  /* without the "?"; may be empty */
    uint16_t port;           /* 0 = absent */
    uint8_t scheme;          /* enum oh_scheme */
    bool has_user;           /* "@" was there */
    struct oh_addr addr;     /* family NONE when the host is a name; port 0 */
};

/*
 * Parses a URI that fills the whole span. Strict about what is unsafe: blanks,
 * control characters, bad escapes, bad ports, unbracketed IPv6. OH_E_SYNTAX
 * with fault->at relative to text.p and fault->why; fault may be NULL.
 */
int oh_uri_parse(struct oh_span text, struct oh_uri *out, struct oh_fault *fault);

/*
 * Equality by RFC 3261 19.1.4 (sip, sips) or RFC 3966 4 (tel); other schemes byte-wise. Not
 * transitive, so never to be replaced by a key. Values of headers in the URI are compared with
 * case.
 */
bool oh_uri_equal(const struct oh_uri *a, const struct oh_uri *b);

/*
 * A uri-parameter by name (without case). Returns whether it is there; value
 * (may be NULL) gets its text, empty for a flag.
 */
bool oh_uri_param(const struct oh_uri *uri, struct oh_span name, struct oh_span *value);

/* Writes the user part with escapes decoded once. A NUL stays a NUL byte; the length tells. */
void oh_uri_user_decode(const struct oh_uri *uri, struct oh_buf *out);

/*
 * Writes the canonical address-of-record key of RFC 3261 10.3 step 5: "user@host" with escapes
 * decoded, host in lower case, without scheme, usual port (5060, for sips 5061), parameters,
 * password and headers (another port stays: "user@host:5070"). A NUL, blank, control character or
 * "%" in the user is written as %XX, so that the key is text and two users never share one. For tel
 * the number without its visual separators; other schemes as they are.
 */
void oh_uri_aor(const struct oh_uri *uri, struct oh_buf *out);

/* Writes a user part, escaping every byte that RFC 3261 25.1 does not allow there. */
void oh_uri_put_user(struct oh_buf *out, struct oh_span user);

#endif
