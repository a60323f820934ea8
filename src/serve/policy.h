/*
 * The administrator's policy, behind a struct of functions: host/ fills it
 * with Lua, tests with C. A policy never blocks and never keeps what it is
 * shown.
 */
#ifndef OH_SERVE_POLICY_H
#define OH_SERVE_POLICY_H

#include <offhook/arena.h>
#include <offhook/flow.h>
#include <offhook/msg.h>

enum oh__policy_point {
    OH__POLICY_ON_REGISTER, /* an authenticated REGISTER, before the location service */
    OH__POLICY_ON_CALL,     /* a new INVITE, after digest, before targets */
    OH__POLICY_ON_REQUEST,  /* every other request outside a dialog, likewise */
};

struct oh__policy_request {
    const struct oh_msg *msg;
    const struct oh_flow *flow;
    struct oh_span account; /* AOR of the authenticated sender ("101@example.com"); empty for
                               strangers and trusted peers */
    struct oh_span user;    /* decoded user of the Request-URI; empty when none */
    struct oh_span domain;  /* host of the Request-URI, lower case; our main domain name when the
                               host is an alias */
    bool trusted;           /* from a trusted network */
    bool local;             /* the Request-URI is of a domain of ours */
    uint64_t wall;          /* ms */
};

enum oh__policy_verdict { OH__POLICY_PASS = 0, OH__POLICY_REPLY, OH__POLICY_ROUTE };

#define OH__POLICY_TARGETS_MAX 16

struct oh__policy_target {
    struct oh_span uri;
    uint16_t q; /* 0 .. 1000 */
};

struct oh__policy_result {
    enum oh__policy_verdict verdict;
    unsigned code; /* REPLY: 300 .. 699; 200 .. 299 allowed for on_request and on_register */
    struct oh_span reason;  /* REPLY: phrase, empty = default */
    struct oh_span headers; /* REPLY: complete rows for the reply; ROUTE: rows added to the
                               forwarded request. Escaped by the policy. */
    struct oh_span body;    /* REPLY; Content-Type is in headers */
    unsigned targets_n; /* ROUTE: replaces the look-up; a target of our own domain is looked up as
                           an AOR */
    struct oh__policy_target targets[OH__POLICY_TARGETS_MAX];
    struct oh_span why; /* for `offhook why`: "on_call at office.lua:41 returned reply{486}" */
};

struct oh__policy {
    void *ctx;
    /* Runs one policy function; texts of the result live in the arena. OH_OK, or OH_E_* when it
     * failed (500; result->why says what). */
    int (*run)(void *ctx, enum oh__policy_point point, const struct oh__policy_request *request,
               struct oh_arena *arena, struct oh__policy_result *result);
};

#endif
