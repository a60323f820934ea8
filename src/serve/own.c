/*
 * Requests for the server itself: its Request-URI names our domain or address
 * and no user. OPTIONS is answered without state and to everybody, since
 * monitors and phones live by it; everything else has been authenticated
 * before and is told here what is wrong with it, in the order of RFC 3261
 * 8.2: method, target, Require, body.
 */
#include "serve/own.h"

#include <offhook/disposition.h>

/* Methods served by the server's own URI. REGISTER is the registrar's part of it. */
#define METHODS(X) \
    X(OPTIONS)     \
    X(REGISTER)

/* Option tags that are honoured. path: RFC 3327, stored per binding and pushed as Route. */
#define EXTENSIONS(X) X("path")

/* Types of bodies that do no harm here; nobody reads them. */
#define BODIES(X)           \
    X("application", "sdp") \
    X("text", "plain")

#define ROWS_MAX 512

bool oh__own_supports(struct oh_span tag)
{
#define SAME(text)                      \
    if (oh_span_ieq(tag, OH_LIT(text))) \
        return true;
    EXTENSIONS(SAME)
#undef SAME
    return false;
}

/* Writes a comma between elements, and the element. */
static void put_element(struct oh_buf *out, size_t first, struct oh_span text)
{
    if (out->n > first)
        oh_buf_lit(out, ", ");
    oh_buf_span(out, text);
}

void oh__own_put_allow(struct oh_buf *out)
{
    oh_buf_lit(out, "Allow: ");
    size_t first = out->n;

#define PUT(name) put_element(out, first, OH_LIT(#name));
    METHODS(PUT)
#undef PUT
    oh_buf_lit(out, "\r\n");
}

void oh__own_put_supported(struct oh_buf *out)
{
    oh_buf_lit(out, "Supported: ");
    size_t first = out->n;

#define PUT(text) put_element(out, first, OH_LIT(text));
    EXTENSIONS(PUT)
#undef PUT
    oh_buf_lit(out, "\r\n");
}

static void put_accept(struct oh_buf *out)
{
    oh_buf_lit(out, "Accept: ");
    size_t first = out->n;

#define PUT(type, subtype) put_element(out, first, OH_LIT(type "/" subtype));
    BODIES(PUT)
#undef PUT
    oh_buf_lit(out, "\r\n");
}

/* RFC 3261 20.2 and 20.3: identity, which is also what an absent row means, and our only language.
 */
static void put_accept_encoding(struct oh_buf *out)
{
    oh_buf_lit(out, "Accept-Encoding: identity\r\n");
}

static void put_accept_language(struct oh_buf *out)
{
    oh_buf_lit(out, "Accept-Language: en\r\n");
}

struct oh_span oh__own_unsupported(struct oh__serve *s, const struct oh_msg *msg,
                                   enum oh_header_id id, bool none)
{
    struct oh_list it = {0};
    struct oh_span tag;
    struct oh_buf b;
    size_t first;
    int r;

    if (!oh_msg_row(msg, id))
        return oh_span("", 0);
    /* Twice, because the commas of a tight list get blanks: one that did not fit would pass. */
    b = oh__arena_buf(s, 2 * (size_t)msg->body_at + 32);
    oh_buf_lit(&b, "Unsupported: ");
    first = b.n;
    while ((r = oh_list_next(msg, id, &it, &tag)) == OH_OK) {
        if (none || !oh__own_supports(tag))
            put_element(&b, first, tag);
    }
    /* What cannot be read is not supported either. */
    if (r != OH_E_ABSENT)
        put_element(&b, first, OH_LIT("malformed"));
    if (b.n == first || b.full)
        return oh_span("", 0);
    oh_buf_lit(&b, "\r\n");
    return oh_buf_view(&b);
}

static bool body_known(struct oh_span type)
{
    struct oh_media media;

    if (oh_media_decode(type, &media, NULL) != OH_OK)
        return false;
#define SAME(main, sub)                                 \
    if (oh_media_is(&media, OH_LIT(main), OH_LIT(sub))) \
        return true;
    BODIES(SAME)
#undef SAME
    return false;
}

/* True when every value of a token list is the given one. */
static bool all_are(const struct oh_msg *m, enum oh_header_id id, struct oh_span only)
{
    struct oh_list it = {0};
    struct oh_span value;

    while (oh_list_next(m, id, &it, &value) == OH_OK) {
        /* A language matches with its regions: en, en-GB. */
        if (!oh_span_ieq(oh_span_head(value, only.n), only) ||
            (value.n > only.n && value.p[only.n] != '-'))
            return false;
    }
    return true;
}

/* RFC 3261 8.2.3: a body that is required and not understood is 415 with all that we take. */
static bool body_ok(struct oh__serve *s, struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;
    struct oh_disposition d;
    struct oh_buf b;

    if (m->body.n == 0)
        return true;
    if (oh_disposition_decode(oh_msg_value(m, OH_HEADER_CONTENT_DISPOSITION), &d, NULL) == OH_OK &&
        !d.required)
        return true;
    bool type = body_known(oh_msg_value(m, OH_HEADER_CONTENT_TYPE));
    bool encoding = all_are(m, OH_HEADER_CONTENT_ENCODING, OH_LIT("identity"));
    bool language = all_are(m, OH_HEADER_CONTENT_LANGUAGE, OH_LIT("en"));

    if (type && encoding && language)
        return true;
    b = oh__arena_buf(s, ROWS_MAX);
    if (!type)
        put_accept(&b);
    if (!encoding)
        put_accept_encoding(&b);
    if (!language)
        put_accept_language(&b);
    oh__refuse(s, rq, &(struct oh__refusal){.code = 415, .headers = oh_buf_view(&b)});
    return false;
}

static void options(struct oh__serve *s, struct oh__request *rq)
{
    struct oh_span unsupported = oh__own_unsupported(s, rq->msg, OH_HEADER_REQUIRE, false);
    struct oh_buf b;

    if (unsupported.n) {
        oh__refuse(s, rq, &(struct oh__refusal){.code = 420, .headers = unsupported});
        return;
    }
    if (!body_ok(s, rq))
        return;
    b = oh__arena_buf(s, ROWS_MAX);
    oh__own_put_allow(&b);
    put_accept(&b);
    put_accept_encoding(&b);
    put_accept_language(&b);
    oh__own_put_supported(&b);
    oh__refuse(s, rq, &(struct oh__refusal){.code = 200, .headers = oh_buf_view(&b)});
}

static void with_allow(struct oh__serve *s, struct oh__request *rq, unsigned code)
{
    struct oh_buf b = oh__arena_buf(s, ROWS_MAX);

    oh__own_put_allow(&b);
    oh__refuse(s, rq,
               &(struct oh__refusal){
                   .code = code,
                   .headers = oh_buf_view(&b),
                   .why = oh__say(s, "%.*s was sent to the server itself, which does not serve it",
                                  OH_PRI(rq->msg->method_text)),
                   .fix = "address a user: sip:101@domain",
                   .kind = OH__DECISION_REQUEST_REFUSED});
}

void oh__own_run(struct oh__serve *s, struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;

    if (m->method == OH_METHOD_OTHER) {
        with_allow(s, rq, 501);
        return;
    }
    if (m->to_tag.n) {
        oh__refuse_simply(
            s, rq, 481, "the request belongs to a dialog that this server does not have",
            "the call has ended, or the phone left out the Record-Route of this server");
        return;
    }
    switch (m->method) {
    case OH_METHOD_OPTIONS: options(s, rq); break;
    case OH_METHOD_INVITE:
    case OH_METHOD_MESSAGE:
        oh__refuse_simply(s, rq, 404,
                          oh__say(s, "%.*s names this server and nobody on it", OH_PRI(m->uri)),
                          "dial a user: sip:101@domain");
        break;
    case OH_METHOD_BYE:
    case OH_METHOD_PRACK:
    case OH_METHOD_UPDATE:
    case OH_METHOD_INFO:
    case OH_METHOD_NOTIFY:
        oh__refuse_simply(s, rq, 481, "the request belongs inside a dialog but names none",
                          "the phone sent it without a tag in To");
        break;
    default: with_allow(s, rq, 405); break;
    }
}
