/*
 * Saying no, and remembering why. Every refusal passes through here, so that
 * none goes out without being counted, and `offhook why` finds a sentence.
 */
#include <stdarg.h>
#include <stdio.h>

#include "serve/internal.h"

#define SAY_MAX   512
#define PASTE_MAX 64

const char *oh__say(struct oh__serve *s, const char *format, ...)
{
    char *text = oh_arena_take(&s->arena, SAY_MAX);
    va_list args;

    if (!text)
        return "";
    va_start(args, format);
    vsnprintf(text, SAY_MAX, format, args);
    va_end(args);
    return text;
}

static bool harmless(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '+' || c == '@' || c == '-';
}

struct oh_span oh__pasteable(struct oh_span name)
{
    size_t n = 0;

    while (n < name.n && n < PASTE_MAX && harmless(name.p[n]))
        n++;
    return n == 0 || n < name.n || name.p[0] == '-' ? OH_LIT("NAME") : name;
}

struct oh_buf oh__arena_buf(struct oh__serve *s, size_t n)
{
    struct oh_buf b;
    char *p = oh_arena_take(&s->arena, n);

    oh_buf_init(&b, p, p ? n : 0);
    return b;
}

/* Whom a URI names: the AOR of a user of ours, "user@host" of others, else the text itself. */
static struct oh_span person(struct oh__serve *s, const struct oh_flow *flow, struct oh_span text)
{
    struct oh_uri uri;
    struct oh__named named;
    struct oh_buf b = oh__arena_buf(s, 256);

    if (oh_uri_parse(text, &uri, NULL) != OH_OK || uri.scheme == OH_SCHEME_OTHER)
        return text;
    oh__name_of(s, flow, &uri, &named);
    if (named.aor.n && named.user.n)
        return named.aor;
    if (uri.scheme == OH_SCHEME_TEL)
        return text;
    oh_uri_aor(&uri, &b);
    return b.full || b.n == 0 ? text : oh_buf_view(&b);
}

/* Inside a dialog the Request-URI is a phone's Contact; the person called is in To. */
static struct oh_span wanted_uri(const struct oh_msg *m)
{
    return m->method == OH_METHOD_REGISTER || m->to_tag.n ? m->to.uri : m->uri;
}

struct oh__subject oh__subject_of(const struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;

    return (struct oh__subject){.flow = &rq->flow,
                                .stranger = !rq->authenticated && !rq->trusted,
                                .method = m->method_text,
                                .call_id = m->call_id,
                                .from_uri = m->from.uri,
                                .wanted_uri = wanted_uri(m),
                                .agent = oh_msg_value(m, OH_HEADER_USER_AGENT),
                                .account = rq->account};
}

void oh__decide_on(struct oh__serve *s, const struct oh__subject *on, enum oh__decision_kind kind,
                   unsigned code, const char *why, const char *fix)
{
    struct oh__decided d = {
        .wall = oh__date(s->env),
        .kind = (uint8_t)kind,
        /* A ban is news of ours, and takes many failures. */
        .stranger = on->stranger && kind != OH__DECISION_BANNED,
        .code = (uint16_t)code,
        .flow = *on->flow,
        .method = on->method,
        .call_id = on->call_id,
        .account = on->account.n ? on->account : person(s, on->flow, on->from_uri),
        .target = on->target.n ? on->target : person(s, on->flow, on->wanted_uri),
        .agent = on->agent,
        .why = oh_span_str(why),
        .fix = oh_span_str(fix)};

    oh__decisions_add(s->shared->decisions, &d);
    oh__trace_emit(s->shared->trace, &(struct oh__trace_event){.now = s->env->now,
                                                               .kind = OH__TRACE_DECISION,
                                                               .name = oh__decision_name(kind),
                                                               .call = d.call_id,
                                                               .who = d.account,
                                                               .text = d.why,
                                                               .peer = &d.flow.peer,
                                                               .stranger = d.stranger,
                                                               .code = (int)code});
}

void oh__decide(struct oh__serve *s, const struct oh__request *rq, enum oh__decision_kind kind,
                unsigned code, const char *why, const char *fix)
{
    struct oh__subject on = oh__subject_of(rq);

    oh__decide_on(s, &on, kind, code, why, fix);
}

void oh__refuse(struct oh__serve *s, const struct oh__request *rq,
                const struct oh__refusal *refusal)
{
    struct oh_reply reply = {.code = refusal->code,
                             .reason = oh_span_str(refusal->reason),
                             .headers = refusal->headers,
                             .server = oh_span_str(s->env->settings->server_name),
                             .body = refusal->body};

    if (refusal->why)
        oh__decide(s, rq, refusal->kind, refusal->code, refusal->why, refusal->fix);
    if (rq->msg->method == OH_METHOD_ACK)
        return;
    oh_reply_stateless(s->ep, rq->msg, &rq->flow, &reply);
}

enum oh__decision_kind oh__refusal_kind(const struct oh_msg *m)
{
    if (m->method == OH_METHOD_REGISTER)
        return OH__DECISION_REGISTER_REFUSED;
    return m->method == OH_METHOD_INVITE ? OH__DECISION_CALL_FAILED : OH__DECISION_REQUEST_REFUSED;
}

void oh__refuse_simply(struct oh__serve *s, const struct oh__request *rq, unsigned code,
                       const char *why, const char *fix)
{
    oh__refuse(s, rq,
               &(struct oh__refusal){
                   .code = code, .why = why, .fix = fix, .kind = oh__refusal_kind(rq->msg)});
}
