/*
 * What the files of serve/ share: the shard, and the request that is being
 * judged. How a request flows:
 *
 *   serve.c     takes the endpoint's outputs, gives each to its owner
 *   role.c      Route, Request-URI and To tag decide the role (RFC 3261 16.4 first)
 *   checks.c    the checks that every role shares (16.3): scheme, Max-Forwards, limits, overload
 *   auth.c      digest; registrar.c, own.c, redirect.c, proxy.c: the roles
 *   token.c     Record-Route tokens; target.c RFC 3263; forward.c writes the forwarded request
 *   context.c   a proxied request: branches, groups of equal q, best response; cancel.c, response.c
 */
#ifndef OH_SERVE_INTERNAL_H
#define OH_SERVE_INTERNAL_H

#include <offhook/arena.h>
#include <offhook/edit.h>

#include "base/cbuf.h"
#include "base/pool.h"
#include "base/wheel.h"
#include "serve/serve.h"

struct oh__serve {
    const struct oh_alloc *alloc;
    struct oh__shared *shared;
    uint8_t shard, shards;
    struct oh_endpoint *ep;
    struct oh__rng rng;
    struct oh_arena arena;           /* reset at each door call */
    struct oh__blocks *blocks;       /* held messages and responses */
    struct oh__pool *contexts;       /* struct oh__context, context.h */
    struct oh__pool *lookups;        /* uint64_t: handle of the context that waits for a name */
    struct oh__pool *pings;          /* struct oh__ping, ping.c */
    struct oh__wheel *wheel;         /* timers of contexts and pings */
    const struct oh__serve_env *env; /* during a door call */
    struct oh__serve_output *out;    /* ring of outputs besides the endpoint's sends */
    unsigned out_head, out_n, out_cap;
    bool
        durable; /* a binding was journalled during this door call: its sends wait for the commit */
    struct oh__serve_stats stats;
};

/* Whose business a request is. Chosen before any check (REQUIREMENTS 25: "the role is chosen
 * first"). */
enum oh__role {
    OH__ROLE_OWN, /* the Request-URI is this server itself, without a user: OPTIONS, 404/405/501 */
    OH__ROLE_REGISTRAR, /* REGISTER for a domain of ours */
    OH__ROLE_DIALOG, /* a valid Record-Route token of ours for this Call-ID: forward along the route
                        set */
    OH__ROLE_LOCAL,  /* a user of a domain of ours: location service or redirect */
    OH__ROLE_FOREIGN, /* another domain, or a Route to somebody else: relay, if permitted */
};

enum oh__token_kind {
    OH__TOKEN_NONE = 0,
    OH__TOKEN_FLOW, /* send to the flow in the token */
    OH__TOKEN_URI,  /* send by the next Route or the Request-URI */
};

/* A Record-Route token of ours, decoded and verified (decision 8). */
struct oh__token {
    uint8_t kind; /* enum oh__token_kind */
    struct oh_flow flow;
    uint64_t expires; /* wall ms */
};

/* A request being judged. Lives on the stack during one input; texts point into the message or the
 * arena. */
struct oh__request {
    const struct oh_msg *msg;
    struct oh_flow flow;
    enum oh__role role;
    struct oh_span
        uri_text; /* effective Request-URI, after 16.4 (strict router upstream, maddr of ours) */
    struct oh_uri uri;
    const struct oh__settings_domain *domain; /* of the Request-URI; NULL: foreign */
    struct oh_span aor;     /* oh_uri_aor of the Request-URI with the main domain of an alias; empty
                               unless LOCAL or REGISTRAR */
    struct oh_span user;    /* decoded user; empty when none */
    struct oh__token token; /* kind NONE: none */
    unsigned routes_popped; /* values of Route that were ours and go */
    bool strict_upstream;   /* uri_text came out of the last Route value, which goes */
    struct oh_span strict_route; /* that value */
    bool has_route;              /* a Route value remains: next hop */
    struct oh_span route;        /* its value */
    bool trusted;                /* from a trusted network, or no_auth */
    bool authenticated;          /* account is set */
    struct oh_span account;      /* AOR of the authenticated sender */
    uint32_t account_flags;
    const struct oh_row *
        credentials; /* our realm's Proxy-Authorization row, to be consumed (PRX-007); NULL: none */
    bool replayed;   /* REGISTER with a right response whose nc was used before: only good for a
                        repetition */
};

/* What a refusal says, to the peer and to people. */
struct oh__refusal {
    unsigned code;
    const char *reason;     /* phrase on the wire; NULL = default */
    struct oh_span headers; /* complete rows */
    struct oh_span body;
    const char *why; /* for `why`: what happened, a sentence; NULL: not recorded (first challenge,
                        OPTIONS) */
    const char *fix; /* what to do; may be NULL */
    enum oh__decision_kind kind;
};

/* Answers without a transaction, counts and records the decision. */
void oh__refuse(struct oh__serve *s, const struct oh__request *rq,
                const struct oh__refusal *refusal);

/* The kind of decision that the refusal of a request is, by its method. */
enum oh__decision_kind oh__refusal_kind(const struct oh_msg *m);

/* As oh__refuse with the usual fields: code, why, fix. kind REQUEST_REFUSED, CALL_FAILED for
 * INVITE, REGISTER_REFUSED for REGISTER. */
void oh__refuse_simply(struct oh__serve *s, const struct oh__request *rq, unsigned code,
                       const char *why, const char *fix);

/* What a decision tells of a request. */
struct oh__subject {
    const struct oh_flow *flow;
    bool stranger; /* its sender has proved nothing */
    struct oh_span method, call_id, agent;
    struct oh_span from_uri, wanted_uri; /* whom they name is found out when it is told */
    struct oh_span account, target;      /* known already, else empty */
};

/* That of a request at hand. */
struct oh__subject oh__subject_of(const struct oh__request *rq);

/* Records a decision. fix may be NULL. */
void oh__decide_on(struct oh__serve *s, const struct oh__subject *on, enum oh__decision_kind kind,
                   unsigned code, const char *why, const char *fix);

/* Records a decision about a request at hand. */
void oh__decide(struct oh__serve *s, const struct oh__request *rq, enum oh__decision_kind kind,
                unsigned code, const char *why, const char *fix);

/* printf into the arena; the text lives as long as the arena's contents. Never NULL (an empty
 * string when there is no room). */
const char *oh__say(struct oh__serve *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A name for a command that an administrator may paste into a shell: itself
 * when it is of letters, digits and "._+@-" and no option, else "NAME".
 * Strangers choose the names that they try.
 */
struct oh_span oh__pasteable(struct oh_span name);

/* Queues an output besides the endpoint's sends (resolve, keep). False when memory is short. */
bool oh__serve_push(struct oh__serve *s, const struct oh__serve_output *out);

/* A text buffer of n bytes in the arena; a full buffer (cap 0) when there is no room. */
struct oh_buf oh__arena_buf(struct oh__serve *s, size_t n);

/* What every call of the door begins with (serve.c): notes who is calling. */
void oh__serve_enter(struct oh__serve *s, const struct oh__serve_env *env);

/* What every call of the door ends with: takes all that the endpoint has to say. */
void oh__serve_drain(struct oh__serve *s);

/* ---- role.c ---- */

/* A user of ours, as a URI names it: the same key whatever alias, address or escape was used. */
struct oh__named {
    const struct oh__settings_domain *domain; /* NULL: foreign; user is set, aor is not */
    struct oh_span user;                      /* decoded; empty when none */
    struct oh_span aor;                       /* "user@main-domain" */
};

/* Whom a sip or tel URI names, seen from a request that came on this flow. Texts live in the arena.
 */
void oh__name_of(struct oh__serve *s, const struct oh_flow *flow, const struct oh_uri *uri,
                 struct oh__named *out);

/* Fills rq from the message: routes, effective Request-URI, domain, role. False: refused or dropped
 * already. */
bool oh__role_find(struct oh__serve *s, struct oh__request *rq);

/* ---- checks.c ---- */

/* The checks of 16.3 and 8.2 that the role needs, before authentication. False: refused already. */
bool oh__checks_run(struct oh__serve *s, struct oh__request *rq);

/* ---- auth.c ---- */

/*
 * Finds out who sent the request, and challenges when nobody did: 401 in the role of registrar and
 * own, 407 as proxy. Sets authenticated, account, credentials. False: answered already (challenge,
 * 403, silence for banned sources).
 */
bool oh__auth_run(struct oh__serve *s, struct oh__request *rq);

/* ---- the roles ---- */

/* RFC 3261 10.3. */
void oh__registrar_run(struct oh__serve *s, struct oh__request *rq);

/* Requests for this server itself. */
void oh__own_run(struct oh__serve *s, struct oh__request *rq);

/* Requests for a user of ours or a foreign target: policy, targets, then redirect or proxy. */
void oh__proxy_run(struct oh__serve *s, struct oh__request *rq);

/* Requests inside a dialog whose token is valid, and ACK (msg->method tells). */
void oh__proxy_dialog(struct oh__serve *s, struct oh__request *rq);

/* OH_OUT_CANCEL: the caller takes its INVITE back (RFC 3261 16.10). */
void oh__proxy_cancel(struct oh__serve *s, const struct oh_output *out);

/* OH_OUT_RESPONSE: a branch was answered (RFC 3261 16.7). */
void oh__proxy_response(struct oh__serve *s, const struct oh_output *out);

/* OH_OUT_FAILED: a branch ended without an answer (RFC 3261 16.8, 16.9). */
void oh__proxy_failed(struct oh__serve *s, const struct oh_output *out);

/* OH_OUT_TRYING: the sender of a non-INVITE request is owed a 100 (RFC 4320 4.1). */
void oh__proxy_trying(struct oh__serve *s, const struct oh_output *out);

/* OH_OUT_ENDED: the server transaction of an INVITE is gone. */
void oh__proxy_ended(struct oh__serve *s, const struct oh_output *out);

/* A look-up of a context is finished. */
void oh__proxy_answer(struct oh__serve *s, const struct oh__serve_answer *answer);

/* A context's timer is due. */
void oh__proxy_expire(struct oh__serve *s, struct oh__timer *timer);

/* A stream ended: branches on it fail. */
void oh__proxy_flow_closed(struct oh__serve *s, const struct oh_flow *flow);

/* A response to, or the failure of, a ping of ours (user value of tag OH__TAG_PING). */
void oh__ping_response(struct oh__serve *s, const struct oh_output *out);

/* ---- token.c ---- */

#define OH__TOKEN_TEXT_MAX 128

/* Writes the user part of a Record-Route URI of ours: kind, flow, expiry, MAC over them and the
 * Call-ID. Returns its length. */
size_t oh__token_make(const struct oh__shared *shared, const struct oh__token *token,
                      struct oh_span call_id, char out[OH__TOKEN_TEXT_MAX]);

/* Verifies and decodes. OH_OK, OH_E_SYNTAX (not a token), OH_E_DENIED (forged or of another call),
 * OH_E_TIMEOUT (expired). */
int oh__token_read(const struct oh__shared *shared, struct oh_span text, struct oh_span call_id,
                   uint64_t wall, struct oh__token *out);

/* ---- names of ours ---- */

/* Where a peer reaches us. */
struct oh__sent_by {
    struct oh_span host;
    uint16_t port;
};

/* Writes "host:port" by which the peer of this flow reaches us: the listener's advertised name or
 * the flow's local address. Returns what it has written. */
struct oh__sent_by oh__put_sent_by(struct oh_buf *b, const struct oh__settings *settings,
                                   const struct oh_flow *flow);

/* Writes the key of an address-of-record, "user@domain": user decoded, domain in lower case. What
 * would not be text (blanks, control bytes) and the percent sign itself stand as %XX. */
void oh__put_aor(struct oh_buf *b, struct oh_span user, struct oh_span domain);

/* Tags of handles: user values of transactions are contexts or pings, tickets are look-ups. */
enum { OH__TAG_CONTEXT = 1, OH__TAG_PING = 2, OH__TAG_LOOKUP = 3 };

/*
 * The ticket of a look-up: its own handle, not that of the context. A context may have given up one
 * name and be waiting for another, and the answer about the first must not be taken for the second.
 */
static inline uint64_t oh__lookup_ticket(const struct oh__serve *s, uint64_t lookup)
{
    return (lookup & UINT64_C(0x00ffffffffffffff)) | (UINT64_C(0x40) | s->shard) << 56;
}

#endif
