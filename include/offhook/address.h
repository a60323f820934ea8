/*
 * name-addr / addr-spec with header parameters: From, To, Contact, Route,
 * Record-Route, Refer-To, Path and their kin (RFC 3261 20.10).
 */
#ifndef OFFHOOK_ADDRESS_H
#define OFFHOOK_ADDRESS_H

#include <offhook/params.h>
#include <offhook/uri.h>

struct oh_address {
    struct oh_span display; /* as received, with quotes when quoted; empty when none */
    struct oh_span uri;     /* the URI's text, without <> */
    struct oh_span params;  /* header parameters, from the first ";"; may be empty */
    bool bracketed;         /* <> were there */
    bool star;              /* "*" (Contact only): everything else is empty */
};

/*
 * Decodes one value, which must fill the span. Without <>, what follows the
 * first ";" is header parameters, and "?" or "," in the URI is refused
 * (RFC 3261 20.10, RFC 4475 3.1.2.13). The URI is only delimited, not parsed:
 * call oh_uri_parse. fault->at is relative to text.p; fault may be NULL.
 */
int oh_address_decode(struct oh_span text, struct oh_address *out, struct oh_fault *fault);

/* The tag parameter; empty when absent. */
struct oh_span oh_address_tag(const struct oh_address *a);

/* Writes display (quoted and escaped when needed, none if empty) and <uri>. */
void oh_address_put(struct oh_buf *out, struct oh_span display, struct oh_span uri);

struct oh_contact_params {
    bool has_q, has_expires;
    uint16_t q;       /* 0 .. 1000; 1000 when absent or out of form */
    uint32_t expires; /* seconds; overflow is 2^32-1, malformed is 3600 (RFC 3261 10.2.1.1, RFC
                         4475 3.1.2.4) */
};

/* Reads q and expires of a Contact value. OH_E_SYNTAX for q above 1 or not a number. */
int oh_contact_params(const struct oh_address *a, struct oh_contact_params *out);

#endif
