/*
 * HTTP digest as SIP uses it (RFC 7616, RFC 8760, RFC 3261 22): pure functions
 * over text; hashes come through a table, so that one file holds the library.
 *
 * Strings that are quoted on the wire stand in the structs as the inside of
 * the quotes with escapes as received, and are hashed with escapes removed
 * ("unq" of RFC 7616 3.3). Whoever builds a row from plain text that may hold
 * a backslash or a quote escapes it first. NULL pointers in spans mean that
 * the parameter is absent; an empty string that was sent has a pointer.
 */
#ifndef OFFHOOK_DIGEST_H
#define OFFHOOK_DIGEST_H

#include <offhook/buf.h>
#include <offhook/error.h>
#include <offhook/params.h>

enum oh_hash { OH_HASH_NONE = 0, OH_HASH_MD5, OH_HASH_SHA256, OH_HASH_SHA512_256, OH_HASH_COUNT };

#define OH_HASH_BYTES_MAX 32
#define OH_HASH_HEX_MAX   64

/*
 * Hashes the concatenation of n parts into out (16 or 32 bytes by algorithm).
 * OH_OK or OH_E_UNSUPPORTED.
 */
struct oh_hasher {
    void *ctx;
    int (*hash)(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                uint8_t out[OH_HASH_BYTES_MAX]);
};

/* Length in bytes of an algorithm's result; 0 for NONE. */
size_t oh_hash_size(enum oh_hash h);

struct oh_algorithm {
    uint8_t hash; /* enum oh_hash; NONE when the name is unknown */
    bool sess;    /* "-sess" */
};

/* The algorithm of a token ("MD5", "SHA-256-sess"), without case; an empty token is MD5. */
struct oh_algorithm oh_algorithm_of(struct oh_span token);

/* The token of an algorithm; empty for NONE. */
struct oh_span oh_algorithm_text(struct oh_algorithm a);

enum oh_qop { OH_QOP_NONE = 0, OH_QOP_AUTH = 1, OH_QOP_AUTH_INT = 2, OH_QOP_OTHER = 4 };

/*
 * Takes the next "name=value" off a comma-separated list of auth-params (RFC 3261 25.1); blanks and
 * folds may stand around "=" and ",", empty elements are skipped. OH_OK, OH_E_ABSENT at the end,
 * OH_E_SYNTAX.
 */
int oh_auth_param_next(struct oh_span *rest, struct oh_param *out);

/* Takes the scheme token off the front of a credentials or challenge row. OH_OK or OH_E_SYNTAX. */
int oh_auth_scheme(struct oh_span *rest, struct oh_span *scheme);

/* Credentials (Authorization, Proxy-Authorization; RFC 7616 3.4). */
struct oh_credentials {
    struct oh_span scheme; /* "Digest" */
    struct oh_span username, realm, nonce, uri, response, cnonce, opaque;
    struct oh_span username_star;  /* username* (RFC 5987 form) */
    struct oh_algorithm algorithm; /* MD5 when the parameter is absent */
    struct oh_span algorithm_text;
    struct oh_span qop_text; /* as sent; it is what is hashed when there */
    struct oh_span nc_text;  /* the 8 digits as sent; they are hashed when there, else nc is */
    uint8_t qop;             /* enum oh_qop */
    uint32_t nc;
    bool has_nc, userhash;
};

/*
 * Decodes one credentials row. Unknown parameters are ignored, a repeated one is OH_E_DUPLICATE,
 * username with username* is OH_E_SYNTAX (RFC 7616 3.4); a row without a user, realm, nonce, uri or
 * response is OH_E_ABSENT. cnonce and nc may be missing: oh_digest_response then fails where they
 * count. A scheme other than Digest gives OH_OK with only `scheme` set. fault (may be NULL) gets an
 * offset relative to value.p.
 */
int oh_credentials_decode(struct oh_span value, struct oh_credentials *out, struct oh_fault *fault);

/*
 * Writes the user's name as plain text: username without escapes, or username* without its
 * percent-encoding. A hashed name (userhash) is written as it is. OH_OK; OH_E_SYNTAX for a
 * username* that is not UTF-8''... of RFC 5987 3.2.1; OH_E_LIMIT when out is full.
 */
int oh_credentials_user(const struct oh_credentials *c, struct oh_buf *out);

/* A challenge (WWW-Authenticate, Proxy-Authenticate; RFC 7616 3.3). */
struct oh_challenge {
    struct oh_span scheme, realm, nonce, opaque, domain;
    struct oh_algorithm algorithm;
    struct oh_span algorithm_text;
    uint8_t qop; /* set of enum oh_qop offered */
    bool stale, userhash;
};

/* Decodes one challenge row; as oh_credentials_decode; realm and nonce must be there. */
int oh_challenge_decode(struct oh_span value, struct oh_challenge *out, struct oh_fault *fault);

/* What a server says after success (Authentication-Info; RFC 7616 3.5, RFC 3261 20.6). */
struct oh_auth_info {
    struct oh_span nextnonce, rspauth, cnonce, qop_text, nc_text;
    uint8_t qop; /* enum oh_qop */
    uint32_t nc;
    bool has_nc;
};

/* Decodes an Authentication-Info row, which has no scheme. OH_OK, OH_E_SYNTAX, OH_E_DUPLICATE. */
int oh_auth_info_decode(struct oh_span value, struct oh_auth_info *out, struct oh_fault *fault);

/* Writes a challenge's value with the quotes that RFC 7616 3.3 asks for; scheme empty = Digest. */
void oh_challenge_put(struct oh_buf *out, const struct oh_challenge *c);

/* Writes a credentials value with the quotes that RFC 7616 3.4 asks for; scheme empty = Digest. */
void oh_credentials_put(struct oh_buf *out, const struct oh_credentials *c);

/* Writes an Authentication-Info value with the quotes that RFC 7616 3.5 asks for. */
void oh_auth_info_put(struct oh_buf *out, const struct oh_auth_info *a);

/*
 * HA1 = H(user:realm:password) of plain texts as lower-case hex; returns its length in digits, 0 on
 * failure.
 */
size_t oh_digest_ha1(const struct oh_hasher *h, enum oh_hash algorithm, struct oh_span user,
                     struct oh_span realm, struct oh_span password, char out[OH_HASH_HEX_MAX]);

/* userhash = H(user:realm) as hex (RFC 7616 3.4.4); returns its length, 0 on failure. */
size_t oh_digest_userhash(const struct oh_hasher *h, enum oh_hash algorithm, struct oh_span user,
                          struct oh_span realm, char out[OH_HASH_HEX_MAX]);

/*
 * The response (RFC 7616 3.4.1) for credentials whose HA1 (of user, realm and password, not of a
 * session) is known: handles -sess, no qop (RFC 2069), auth and auth-int. Writes hex and returns
 * its length; 0 on failure: unknown algorithm or qop, qop without nc or cnonce, -sess without
 * cnonce.
 */
size_t oh_digest_response(const struct oh_hasher *h, const struct oh_credentials *c,
                          struct oh_span ha1_hex, struct oh_span method, struct oh_span body,
                          char out[OH_HASH_HEX_MAX]);

/*
 * The rspauth of a server's answer to these credentials (RFC 7616 3.5): as oh_digest_response with
 * an empty method and the body of the response.
 */
size_t oh_digest_rspauth(const struct oh_hasher *h, const struct oh_credentials *c,
                         struct oh_span ha1_hex, struct oh_span body, char out[OH_HASH_HEX_MAX]);

/* Compares two hex strings without early exit and without regard to case. Two empty ones differ. */
bool oh_digest_equal(struct oh_span a, struct oh_span b);

#endif
