/*
 * What a phone does in a dialog besides beginning and ending it: another
 * INVITE, UPDATE, INFO, REFER; a provisional response that is acknowledged
 * (RFC 3262); a subscription and its NOTIFY (RFC 6665).
 */
#include "phone_parts.h"

#include "dialog_parts.h"

#define T1 (WORLD_SECOND / 2)

static const char *joined(struct phone *ph, const char *a, const char *b)
{
    size_t n = strlen(a);
    char *all = world_keep(ph->world, n + strlen(b) + 1);

    memcpy(all, a, n);
    memcpy(all + n, b, strlen(b) + 1);
    return all;
}

static struct phone_task *send_within(struct phone *ph, struct peer_dialog *d, const char *method,
                                      const char *rows, const char *body)
{
    return phone_start(ph, &(struct peer_request){.method = method,
                                                  .uri = d->target,
                                                  .from = d->local,
                                                  .from_tag = "-",
                                                  .to = d->remote,
                                                  .call = d->call,
                                                  .cseq = ++d->cseq,
                                                  .rows = joined(ph, d->routes, rows),
                                                  .body = body});
}

/* ---- requests within a call ---- */

unsigned phone_talk(struct phone *ph, const char *method, const char *rows, const char *body)
{
    bool invite = strcmp(method, "INVITE") == 0;
    unsigned n = 0;

    for (unsigned i = 0; i < ph->calls_n && ph->tasks_n < PHONE_TASKS / 2; i++) {
        struct phone_call *c = &ph->calls[i];
        struct phone_task *t;

        if (!c->confirmed || c->ended)
            continue;
        /* One INVITE at a time, in either direction (RFC 3261 14.1). */
        if (invite && (c->inviting || c->resend_at != OH_NEVER))
            continue;
        c->inviting |= invite;
        t = send_within(ph, &c->dialog, method, rows, body);
        if (invite)
            t->within = i + 1;
        n++;
    }
    return n;
}

void phone_invite_ended(struct phone *ph, const struct phone_task *t)
{
    if (t->within && t->within <= ph->calls_n)
        ph->calls[t->within - 1].inviting = false;
}

static void refuse(struct phone *ph, const struct oh_output *o, uint64_t server, unsigned code)
{
    phone_reply(ph, server, o->msg, &o->flow,
                &(struct oh_reply){.code = code, .to_tag = OH_LIT("phone")});
}

void phone_call_again(struct phone *ph, const struct oh_output *o)
{
    struct phone_call *c = phone_call_find(ph, o->msg->call_id, o->msg->to_tag, o->msg->from_tag);
    uint64_t server;

    if (oh_server_new(ph->ep, ph->world->now, o->msg, &o->flow, 0, &server) != OH_OK)
        return;
    if (!c || c->ended) {
        refuse(ph, o, server, 481);
        return;
    }
    if (c->inviting || c->resend_at != OH_NEVER) {
        refuse(ph, o, server, 491);
        return;
    }
    c->server = server;
    c->flow = o->flow;
    c->invite = phone_hold(ph, o->msg);
    phone_call_accept_again(ph, c);
}

/* ---- reliable provisional responses ---- */

static void send_reliable(struct phone *ph, struct phone_call *c)
{
    struct oh_buf b;
    char *text, rows[512];
    struct oh_span contact = phone_contact_row(ph);

    snprintf(rows, sizeof rows, "%.*sRequire: 100rel\r\nRSeq: %u\r\n", OH_PRI(contact),
             ++c->rseq + 10);
    text = world_keep(ph->world, 8192);
    oh_buf_init(&b, text, 8192);
    CHECK(ph->world, oh_build_reply(&b, c->invite, &c->flow,
                                    &(struct oh_reply){.code = 183,
                                                       .to_tag = c->local_tag,
                                                       .headers = oh_span_str(rows)}) == OH_OK);
    c->reliable = oh_buf_view(&b);
    oh_server_reply(ph->ep, ph->world->now, c->server, 183, c->reliable);
    c->reliable_gap = T1;
    c->reliable_end = ph->world->now + 64 * T1;
}

bool phone_call_insists(struct phone *ph, struct phone_call *c)
{
    if (c->reliable.n == 0) {
        send_reliable(ph, c);
    } else if (ph->world->now >= c->reliable_end) {
        /* Nobody acknowledges it: the call is refused (RFC 3262 3). */
        c->reliable_at = OH_NEVER;
        return false;
    } else {
        oh_endpoint_send(ph->ep, &c->flow, c->reliable);
        c->reliable_gap *= 2;
    }
    c->reliable_at = ph->world->now + c->reliable_gap;
    return true;
}

/* A PRACK: true when it is for what was sent. */
static bool is_acknowledged(struct phone *ph, const struct oh_msg *prack)
{
    struct phone_call *c = phone_call_find(ph, prack->call_id, prack->to_tag, prack->from_tag);

    if (!c || c->reliable.n == 0)
        return false;
    c->reliable_at = OH_NEVER;
    return true;
}

void phone_acknowledge(struct phone *ph, struct phone_task *t, const struct oh_msg *m)
{
    struct oh__hash_key key = {41, 17};
    struct peer_dialog d;
    uint32_t rseq;
    char rows[64];

    if (!oh_msg_has_token(m, OH_HEADER_REQUIRE, OH_LIT("100rel")) ||
        oh_msg_number(m, OH_HEADER_RSEQ, &rseq) != OH_OK || ph->tasks_n > PHONE_TASKS / 2)
        return;
    uint64_t what = oh__hash(&key, m->to_tag) ^ rseq;

    for (unsigned i = 0; i < t->pracks_n; i++)
        if (t->pracks[i] == what)
            return;
    if (t->pracks_n == sizeof t->pracks / sizeof *t->pracks)
        return;
    t->pracks[t->pracks_n++] = what;
    peer_dialog_caller(ph->peer, m, &d);
    d.cseq += t->pracks_n - 1;
    snprintf(rows, sizeof rows, "RAck: %u %u INVITE\n", rseq, m->cseq);
    send_within(ph, &d, "PRACK", rows, NULL);
}

/* ---- subscriptions and referrals ---- */

/* The dialog that a request other than INVITE begins, for who has answered it with this tag. */
static void dialog_of(struct phone *ph, const struct oh_msg *m, const char *tag,
                      struct peer_dialog *out)
{
    char *local = world_keep(ph->world, 1024);

    snprintf(local, 1024, "%.*s%s%s", OH_PRI(oh_msg_value(m, OH_HEADER_TO)),
             m->to_tag.n ? "" : ";tag=", m->to_tag.n ? "" : tag);
    *out = (struct peer_dialog){
        .call = world_keep_text(ph->world, m->call_id),
        .local = local,
        .remote = world_keep_text(ph->world, oh_msg_value(m, OH_HEADER_FROM)),
        .target = peer_target_of(ph->peer, m),
        .routes = peer_routes_of(ph->peer, m, false),
        .cseq = 1};
}

static void notify_subscriber(struct phone *ph, const struct oh_msg *m)
{
    struct peer_dialog d;

    dialog_of(ph, m, "phone", &d);
    send_within(ph, &d, "NOTIFY", "Event: presence\nSubscription-State: active;expires=60\n", NULL);
}

static void refer(struct phone *ph, const struct oh_msg *m)
{
    struct phone_call *c = phone_call_find(ph, m->call_id, m->to_tag, m->from_tag);
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_REFER_TO);
    struct phone_plan plan = {.hangup_ms = 1000};
    struct oh_address to;

    if (!c || !c->confirmed || c->ended || !row)
        return;
    send_within(ph, &c->dialog, "NOTIFY",
                "Event: refer\nSubscription-State: terminated;reason=noresource\n"
                "Content-Type: message/sipfrag\n",
                "SIP/2.0 100 Trying\n");
    if (oh_address_decode(oh_row_value(m, row), &to, NULL) == OH_OK && ph->calls_n < 20)
        phone_call(ph, world_keep_text(ph->world, to.uri), &plan);
}

unsigned phone_code_within(struct phone *ph, const struct oh_msg *m, unsigned code)
{
    if (m->method == OH_METHOD_BYE)
        return phone_call_ended(ph, m) ? 200 : 481;
    if (m->method == OH_METHOD_PRACK)
        return is_acknowledged(ph, m) ? 200 : 481;
    if (m->method == OH_METHOD_REFER && code == 200)
        return 202;
    return code;
}

void phone_follow(struct phone *ph, const struct oh_msg *m, unsigned code)
{
    if (code >= 300 || ph->tasks_n > PHONE_TASKS / 2)
        return;
    if (m->method == OH_METHOD_SUBSCRIBE && oh_msg_row(m, OH_HEADER_CONTACT))
        notify_subscriber(ph, m);
    else if (m->method == OH_METHOD_REFER)
        refer(ph, m);
}
