/* What peers say on the stage of the server's harness, and how plays are changed. */
#include "serve_parts.h"

#include "corpus_walk.h"
#include "mutate.h"

/* ---- the policy ---- */

static int verdict(void *ctx, enum oh__policy_point point, const struct oh__policy_request *request,
                   struct oh_arena *arena, struct oh__policy_result *result)
{
    size_t n = oh_msg_value(request->msg, OH_HEADER_CALL_ID).n;

    (void)ctx, (void)arena;
    result->why = OH_LIT("the stage says so");
    switch (n % 5) {
    case 0: return n % 2 ? OH_E_STATE : OH_OK;
    case 1:
        result->verdict = OH__POLICY_REPLY;
        result->code = point == OH__POLICY_ON_CALL ? 486 : 202;
        result->headers = OH_LIT("X-Stage: 1\r\n");
        return OH_OK;
    case 2:
        if (point == OH__POLICY_ON_REGISTER)
            return OH_OK;
        result->verdict = OH__POLICY_ROUTE;
        result->targets_n = 3;
        result->targets[0] = (struct oh__policy_target){OH_LIT("sip:carol@" WORLD_DOMAIN), 1000};
        result->targets[1] = (struct oh__policy_target){OH_LIT("sip:x@good.test"), 500};
        result->targets[2] = (struct oh__policy_target){OH_LIT("sip:x@192.0.2.13:5062"), 500};
        return OH_OK;
    default: return OH_OK;
    }
}

const struct oh__policy stage_policy = {.run = verdict};

/* ---- peers ---- */

#define PICK(table, i) (table)[(i) % (sizeof(table) / sizeof *(table))]

/* Rows as terminated text; what a C string cannot hold is sent as plain bytes, by ACT_BYTES. */
static const char *rows_of(struct stage *s, struct oh_span text)
{
    char *rows = world_keep_text(s->world, text);

    return rows;
}

void stage_request(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows)
{
    static const char *const methods[] = {"INVITE",   "MESSAGE", "OPTIONS",   "BYE",
                                          "REGISTER", "INFO",    "SUBSCRIBE", "INVITE",
                                          "REGISTER", "CANCEL",  "ACK",       "UNKNOWN"};
    static const char *const uris[] = {"sip:bob@example.test",
                                       "sip:alice@example.test",
                                       "sip:carol@example.test",
                                       "sip:bob@good.test",
                                       "sip:x@empty.test",
                                       "sip:x@mute.test",
                                       "sip:nobody@example.test",
                                       "sip:192.0.2.1",
                                       "sips:bob@example.test",
                                       "tel:+12015550123",
                                       "sip:bob@192.0.2.1;maddr=192.0.2.11",
                                       "sip:bob@[2001:db8::1]",
                                       "sip:bob@192.0.2.11:5060;transport=tcp",
                                       "urn:service:sos"};
    static const char *const contacts[] = {
        NULL,
        "*",
        "<sip:x@192.0.2.12>;expires=0",
        "<sip:a@192.0.2.11>;q=0.1,<sip:b@192.0.2.12>",
        "<sip:x@good.test>;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
        "-",
        "<sip:x@192.0.2.11:5060;transport=tcp>;q=0.5"};
    const char *method = PICK(methods, number & 15);
    struct peer_request r = {.method = method,
                             .uri = PICK(uris, number >> 4 & 15),
                             .contact = PICK(contacts, number >> 8 & 7),
                             .rows = rows_of(s, rows)};
    char own[64];

    /* Everybody registers in his own name, into the domain. */
    if (strcmp(method, "REGISTER") == 0) {
        snprintf(own, sizeof own, "sip:%s@" WORLD_DOMAIN, peer_name(p));
        r.uri = "sip:" WORLD_DOMAIN;
        r.to = world_keep_text(s->world, oh_span_str(own));
    }
    if (number & 0x800)
        r.max_forwards = number & 0x1000 ? "0" : "1";
    if (number & 0x2000)
        r.call = "one-call";
    if (number & 0x4000)
        r.body = "v=0\n";
    peer_request(p, &r);
}

/* The newest request that a peer got, or NULL. */
static const struct oh_msg *newest_request(const struct peer *p)
{
    for (unsigned i = p->letters_n; i-- > 0;)
        if (p->letters[i].msg && p->letters[i].msg->request)
            return p->letters[i].msg;
    return NULL;
}

/* The newest response with a status of at least `least`, or NULL. */
static const struct oh_msg *newest_response(const struct peer *p, unsigned least)
{
    for (unsigned i = p->letters_n; i-- > 0;) {
        const struct oh_msg *m = p->letters[i].msg;

        if (m && !m->request && m->status >= least)
            return m;
    }
    return NULL;
}

void stage_reply(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows)
{
    const struct oh_msg *request = newest_request(p);
    char tag[16];

    if (!request)
        return;
    snprintf(tag, sizeof tag, "t%u", number >> 10);
    peer_reply_as(p, request, 100 + number % 600, tag, rows_of(s, rows), "");
}

/* Builds on an INVITE that is whole; others cannot be cancelled or acknowledged by hand. */
static bool has_invite(const struct peer *p)
{
    static struct oh_msg m;
    size_t used;

    return p->invite &&
           oh_msg_parse(oh_span(p->invite, p->invite_n), OH_MSG_DATAGRAM, NULL, &m, &used, NULL) ==
               OH_OK &&
           oh_msg_check(&m, NULL) == OH_OK;
}

static void in_dialog(struct peer *p, uint16_t number, const char *rows)
{
    static const char *const methods[] = {"BYE", "INVITE", "INFO", "ACK", "UPDATE"};
    const struct oh_msg *ok = newest_response(p, 180), *request = newest_request(p);
    struct peer_dialog dialog;

    if (number & 64 && request && request->method == OH_METHOD_INVITE)
        peer_dialog_callee(p, request, &dialog);
    else if (ok && has_invite(p) && ok->status < 300)
        peer_dialog_caller(p, ok, &dialog);
    else
        return;
    dialog.cseq += number >> 7 & 3;
    peer_dialog_request(p, &dialog, PICK(methods, number >> 3), rows);
}

static void authorize(struct peer *p, const char *password, const char *more)
{
    const struct oh_msg *challenge = newest_response(p, 401);
    static struct oh_msg m;
    struct peer_request r;
    struct oh_span uri;
    const char *row;
    char *rows;
    size_t used;

    if (!challenge || (challenge->status != 401 && challenge->status != 407) || !p->request ||
        oh_msg_parse(oh_span(p->request, p->request_n), OH_MSG_DATAGRAM, NULL, &m, &used, NULL) !=
            OH_OK)
        return;
    uri = m.uri;
    r = (struct peer_request){
        .method = world_keep_text(p->world, m.method_text),
        .uri = world_keep_text(p->world, uri),
        .call = world_keep_text(p->world, oh_msg_value(&m, OH_HEADER_CALL_ID)),
        .cseq = 2};
    if (m.method == OH_METHOD_REGISTER)
        r.to = world_keep_text(p->world, oh_msg_value(&m, OH_HEADER_TO));
    row = peer_authorize(p, challenge, peer_name(p), password, r.method, r.uri);
    rows = world_keep(p->world, strlen(row) + strlen(more) + 1);
    memcpy(rows, row, strlen(row));
    memcpy(rows + strlen(row), more, strlen(more));
    r.rows = rows;
    peer_request(p, &r);
}

void stage_follow(struct stage *s, struct peer *p, uint16_t number, struct oh_span rows)
{
    const struct oh_msg *final = newest_response(p, 200);
    const char *more = rows_of(s, rows);

    switch (number % 5) {
    case 0:
        if (final && has_invite(p))
            peer_ack(p, final);
        break;
    case 1:
        if (has_invite(p))
            peer_cancel(p, more);
        break;
    case 2: authorize(p, number & 256 ? "guess" : "secret", more); break;
    case 3:
        if (p->request)
            peer_again(p);
        break;
    default: in_dialog(p, number / 5, more); break;
    }
}

void stage_corpus(void (*each)(void *ctx, const char *name, struct oh_span bytes), void *ctx)
{
    MUST(corpus_walk("corpus/rfc4475/dat", ".dat", each, ctx) > 0);
    MUST(corpus_walk("corpus/rfc-flows/rfc3261", ".sip", each, ctx) > 0);
    MUST(corpus_walk("corpus/rfc-flows/rfc3665", ".sip", each, ctx) > 0);
}

/* ---- changing plays ---- */

#define ACTS_SEEN 64

struct play {
    unsigned n;
    size_t at[ACTS_SEEN + 1]; /* where acts begin; the last: where they end */
};

static void read_play(const char *p, size_t n, struct play *out)
{
    size_t at = 2;

    out->n = 0;
    while (out->n < ACTS_SEEN && n >= ACT_HEAD && at + ACT_HEAD <= n) {
        size_t text = (uint8_t)p[at + 4] | (size_t)(uint8_t)p[at + 5] << 8;

        out->at[out->n++] = at;
        at += ACT_HEAD + text;
    }
    out->at[out->n] = at < n ? at : n;
}

/* Changes the text of an act as a message, and writes its new length. */
static size_t change_text(char *p, size_t n, size_t cap, size_t at, size_t end, uint64_t random)
{
    char text[4096];
    size_t from = at + ACT_HEAD, len = end - from, now;

    if (len == 0 || len > sizeof text)
        return n;
    memcpy(text, p + from, len);
    now = mutate_message(text, len, sizeof text, random);
    if (n - len + now > cap)
        return n;
    memmove(p + from + now, p + end, n - end);
    memcpy(p + from, text, now);
    p[at + 4] = (char)now;
    p[at + 5] = (char)(now >> 8);
    return n - len + now;
}

size_t stage_mutate(char *p, size_t n, size_t cap, uint64_t random)
{
    struct play play;
    size_t from, end, len;
    uint64_t rest;

    read_play(p, n, &play);
    if (play.n == 0)
        return n;
    from = play.at[random % play.n];
    end = play.at[random % play.n + 1];
    len = end - from;
    rest = random / play.n;
    switch (rest % 5) {
    case 0: /* out */ memmove(p + from, p + end, n - end); return n - len;
    case 1: /* again, at once */
        if (n + len > cap)
            return n;
        memmove(p + end + len, p + end, n - end);
        memcpy(p + end, p + from, len);
        return n + len;
    case 2: /* another peer, another number */
        p[from + 1 + rest / 5 % 3] = (char)(rest / 15);
        return n;
    default: return change_text(p, n, cap, from, end, random);
    }
}
