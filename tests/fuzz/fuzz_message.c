/*
 * A message as a datagram and as the beginning of a stream: both scanners say
 * the same, rows lie where they should, what was taken can be answered,
 * cancelled, acknowledged and edited, and the result is a message again.
 *
 * Bytes behind Content-Length do not belong to the message, so the last ones of
 * an input serve as decisions: where a stream is cut, which limits hold, which
 * rows are edited.
 */
#include <offhook/build.h>
#include <offhook/decode.h>

#include "exact.h"
#include "fuzz.h"
#include "message_parts.h"
#include "mutate.h"
#include "sip/scan.h"

#define TEXT_MAX 131072

/* The portable scanner and the fast one fill the same rows, and see the same fault. */
static void scans_agree(struct oh_span in)
{
    static struct oh_msg a_msg, b_msg;
    struct oh__scan a, b;

    if (!oh__scan_has_avx2())
        return;
    memset(&a_msg, 0, sizeof a_msg);
    memset(&b_msg, 0, sizeof b_msg);
    MUST(oh__scan_scalar(in.p, in.n, &a_msg, &a) == oh__scan_avx2(in.p, in.n, &b_msg, &b));
    MUST(a.at == b.at && a.start_n == b.start_n && a.start_folded == b.start_folded);
    MUST(a.broken == b.broken && (!a.broken || a.broken_at == b.broken_at) && a.at <= in.n);
    MUST(memcmp(&a_msg, &b_msg, sizeof a_msg) == 0);
}

/* The index of rows is sound, whatever the result was. */
static void check_rows(const struct oh_msg *m)
{
    unsigned chained = 0, listed = 0;

    MUST(m->rows_n <= OH_MSG_HEADERS_MAX);
    for (unsigned i = 0; i < m->rows_n; i++) {
        const struct oh_row *r = &m->rows[i];

        MUST(r->name + r->name_len <= r->value && r->value + r->value_len + 2 <= r->end);
        MUST(r->end <= m->raw.n && r->id < OH_HEADER_COUNT);
        MUST(i == 0 || m->rows[i - 1].end <= r->name);
        MUST(!r->next || (r->next > i + 1 && m->rows[r->next - 1].id == r->id));
        MUST(oh_header_of(oh_row_name(m, r)) == r->id);
        listed += r->id != OH_HEADER_OTHER;
    }
    for (unsigned id = 1; id < OH_HEADER_COUNT; id++)
        for (const struct oh_row *r = oh_msg_row(m, (enum oh_header_id)id); r;
             r = oh_msg_row_next(m, r))
            chained++;
    MUST(chained == listed);
}

static void check_fault(int rc, const struct oh_fault *fault, size_t n)
{
    unsigned status;

    MUST(fault->code == rc && fault->why && fault->at <= n && fault->header < OH_HEADER_COUNT);
    status = oh_msg_fault_status(fault);
    MUST(status == 400 || status == 413 || status == 414 || status == 505 || status == 513);
}

static void visit(void *ctx, const struct oh_field *field)
{
    const struct oh_span *raw = ctx;

    MUST(fuzz_inside(*raw, field->text));
    /* Names of parts are ours; those of parameters are the message's. */
    MUST(!field->param || fuzz_inside(*raw, field->name));
}

/* Every row by the form of its header, and every list value by value. */
static void check_values(struct oh_msg *m)
{
    struct oh_visitor visitor = {&m->raw, visit};
    struct oh_fault fault = {0};
    struct oh_span value;
    uint32_t number;
    int rc;

    for (unsigned i = 0; i < m->rows_n; i++) {
        rc = oh_decode_row(m, &m->rows[i], &visitor, &fault);
        MUST(rc == OH_OK || (fault.code == rc && fault.why && fault.at <= m->raw.n));
    }
    for (unsigned id = 1; id < OH_HEADER_COUNT; id++) {
        struct oh_list it = {0};
        unsigned n = 0;

        while ((rc = oh_list_next(m, (enum oh_header_id)id, &it, &value)) == OH_OK) {
            MUST(fuzz_inside(m->raw, value) && value.n > 0);
            MUST(++n <= m->raw.n);
        }
        MUST(rc == OH_E_ABSENT || rc == OH_E_SYNTAX);
        (void)oh_msg_has_token(m, (enum oh_header_id)id, OH_LIT("timer"));
        (void)oh_msg_number(m, (enum oh_header_id)id, &number);
    }
}

/* A text of ours must be a whole message that passes the check. */
static void must_be_message(const struct oh_buf *b, struct oh_msg *m)
{
    struct oh_fault fault = {0};
    size_t used;
    int rc;

    MUST(!b->full);
    rc = oh_msg_parse(oh_buf_view(b), OH_MSG_STREAM, NULL, m, &used, &fault);
    /* What was let in with more rows or longer headers than a default allows may come out so. */
    if (rc == OH_E_LIMIT)
        return;
    if (rc == OH_OK)
        rc = oh_msg_check(m, &fault);
    if (rc != OH_OK || used != b->n)
        fuzz_fail("a message of ours: %s at %u of %.*s", fault.why ? fault.why : "not all of it",
                  fault.at, (int)b->n, b->p);
}

/* Answers, and what a client transaction writes about its request. */
static void check_builders(const struct oh_msg *m)
{
    static char text[TEXT_MAX], other[TEXT_MAX];
    static struct oh_msg again, response;
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP}, back;
    struct oh_reply reply = {.code = 486, .to_tag = OH_LIT("t"), .headers = OH_LIT("X: y\r\n")};
    struct oh_buf b, c;

    oh_addr_parse_port(OH_LIT("192.0.2.1:1234"), &flow.peer);
    oh_reply_flow(&m->via, &flow, &back);
    MUST(back.peer.family != OH_FAMILY_NONE);
    if (!m->request || m->method == OH_METHOD_ACK)
        return;
    oh_buf_init(&b, text, sizeof text);
    MUST(oh_build_reply(&b, m, &flow, &reply) == OH_OK);
    must_be_message(&b, &response);
    MUST(oh_span_eq(response.call_id, m->call_id) && response.to_tag.n);
    if (m->method != OH_METHOD_INVITE)
        return;
    oh_buf_init(&c, other, sizeof other);
    MUST(oh_build_cancel(&c, m, oh_span("", 0)) == OH_OK);
    must_be_message(&c, &again);
    oh_buf_init(&c, other, sizeof other);
    MUST(oh_build_ack(&c, m, &response) == OH_OK);
    must_be_message(&c, &again);
}

/* The answer to half a message, out of what the check has left. */
static void refuse(const struct oh_msg *m)
{
    static char text[TEXT_MAX];
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP}, back;
    struct oh_reply reply = {.code = 400, .to_tag = OH_LIT("t")};
    struct oh_buf b;

    if (!m->request)
        return;
    oh_addr_parse_port(OH_LIT("192.0.2.1:1234"), &flow.peer);
    oh_buf_init(&b, text, sizeof text);
    MUST(oh_build_reply(&b, m, &flow, &reply) == OH_OK);
    oh_reply_flow(&m->via, &flow, &back);
    MUST(back.peer.family != OH_FAMILY_NONE);
}

/* Every proper beginning of a message is incomplete, and none of it is lost. */
static void check_cuts(struct oh_span whole, struct fuzz_bytes *script)
{
    static struct oh_msg m;

    for (unsigned i = 0; i < 3; i++) {
        struct oh_span part = exact_copy(oh_span_head(whole, fuzz_u16(script) % whole.n));
        size_t used = 0;

        MUST(oh_msg_parse(part, OH_MSG_STREAM, NULL, &m, &used, NULL) == OH_E_INCOMPLETE);
        MUST(used <= part.n);
        for (size_t k = 0; k < used; k++)
            MUST(part.p[k] == '\r' || part.p[k] == '\n');
        exact_free(part);
    }
}

static void as_stream(struct oh_span in, struct fuzz_bytes *script)
{
    static struct oh_msg m, datagram;
    struct oh_fault fault = {0};
    size_t used = 0, again;
    int rc;

    memset(&m, 0xa5, sizeof m);
    rc = oh_msg_parse(in, OH_MSG_STREAM, NULL, &m, &used, &fault);
    MUST(used <= in.n && rc != OH_E_ABSENT);
    if (rc == OH_E_INCOMPLETE)
        return;
    check_rows(&m);
    if (rc != OH_OK) {
        check_fault(rc, &fault, in.n);
        return;
    }
    MUST(m.has_length && m.body.p + m.body.n == in.p + used);
    check_cuts(oh_span_head(in, used), script);
    /* What is whole on a stream is the same message as a datagram. */
    MUST(oh_msg_parse(oh_span_head(in, used), OH_MSG_DATAGRAM, NULL, &datagram, &again, NULL) ==
         OH_OK);
    MUST(again == used && datagram.rows_n == m.rows_n && oh_span_eq(datagram.raw, m.raw) &&
         oh_span_eq(datagram.body, m.body));
}

/* The faults of small limits are limits, and what is valid then is sound. */
static void with_limits(struct oh_span in, struct fuzz_bytes *script)
{
    static struct oh_msg m;
    struct oh_msg_limits limits = {.message = 1 + fuzz_u16(script),
                                   .headers = 1 + fuzz_u16(script) % 4096,
                                   .body = 1 + fuzz_byte(script),
                                   .uri = 1 + fuzz_byte(script)};
    struct oh_fault fault = {0};
    size_t used;
    int rc = oh_msg_parse(in, OH_MSG_DATAGRAM, &limits, &m, &used, &fault);

    if (rc == OH_OK)
        MUST(m.raw.n <= limits.message && m.body.n <= limits.body && m.uri.n <= limits.uri);
    else if (rc != OH_E_ABSENT)
        check_fault(rc, &fault, in.n);
    if (rc == OH_OK || rc == OH_E_LIMIT)
        check_rows(&m);
}

static void as_datagram(struct oh_span in, struct fuzz_bytes *script)
{
    static struct oh_msg m, checked;
    struct oh_fault fault = {0};
    size_t used = 0;
    int rc;

    memset(&m, 0xa5, sizeof m); /* nothing of the message before may shine through */
    rc = oh_msg_parse(in, OH_MSG_DATAGRAM, NULL, &m, &used, &fault);
    MUST(used == in.n && rc != OH_E_INCOMPLETE);
    if (rc == OH_E_ABSENT)
        return;
    check_rows(&m);
    if (rc != OH_OK) {
        check_fault(rc, &fault, in.n);
    } else {
        MUST(fuzz_inside(in, m.raw) && fuzz_inside(m.raw, m.body) && fuzz_inside(m.raw, m.start));
        message_edits(&m, script);
    }
    check_values(&m);
    checked = m;
    if (oh_msg_check(&checked, &fault) != OH_OK) {
        MUST(fault.why && fault.at <= m.raw.n);
        refuse(&checked);
        return;
    }
    MUST(checked.via.host.n && checked.from.uri.n && checked.to.uri.n && checked.call_id.n);
    if (rc == OH_OK)
        check_builders(&checked);
}

static void run(struct oh_span in)
{
    struct oh_span script = in.n > 64 ? oh_span_from(in, in.n - 64) : in;

    scans_agree(in);
    as_datagram(in, &(struct fuzz_bytes){script});
    as_stream(in, &(struct fuzz_bytes){script});
    with_limits(in, &(struct fuzz_bytes){script});
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_seed_files(to, "corpus/rfc4475/dat", ".dat", oh_span("", 0));
    fuzz_seed_files(to, "corpus/rfc5118/dat", ".dat", oh_span("", 0));
    fuzz_seed_files(to, "corpus/rfc-flows", ".sip", oh_span("", 0));
}

const struct fuzz_harness fuzz_harness = {"message", 8192, run, seeds, mutate_message};
