/*
 * Header values, one at a time: the first byte says whose. Every header with a
 * decoder and a builder is read, written, and read again: what is written is of
 * the form, and writing it once more changes nothing. Further bytes stand for
 * URIs (compared both ways), addresses and the other small texts of the grammar.
 */
#include <offhook/build.h>
#include <offhook/decode.h>

#include "fuzz.h"
#include "header_parts.h"
#include "unit/sip/rewrite.h"

#define OUT_MAX 65536

/* Behind the ids of headers. */
enum other { URIS = OH_HEADER_COUNT, HOSTS, NETWORKS, PARAMS, KINDS };

static void visit(void *ctx, const struct oh_field *field)
{
    const struct oh_span *value = ctx;

    MUST(fuzz_inside(*value, field->text) && (!field->param || fuzz_inside(*value, field->name)));
}

/* Decode, build, decode, build: the second text is the first one. */
static void round_trip(enum oh_header_id id, struct oh_span value)
{
    static char first_text[OUT_MAX], second_text[OUT_MAX];
    struct oh_buf first, second;
    struct oh_fault fault = {0};
    int rc;

    oh_buf_init(&first, first_text, sizeof first_text);
    oh_buf_init(&second, second_text, sizeof second_text);
    rc = rewrite(id, value, &first, &fault);
    if (rc == OH_E_UNSUPPORTED && oh_header_info(id)->form != OH_FORM_OWN)
        return;
    if (rc != OH_OK) {
        MUST(fault.code == rc && fault.why && fault.at <= value.n);
        return;
    }
    MUST(!first.full);
    /* Of these two, what is not known is not written: nothing may be left. */
    if (first.n == 0 && (id == OH_HEADER_PRIVACY || id == OH_HEADER_REQUEST_DISPOSITION))
        return;
    rc = rewrite(id, oh_buf_view(&first), &second, &fault);
    if (rc != OH_OK || !oh_span_eq(oh_buf_view(&first), oh_buf_view(&second)))
        fuzz_fail("%s: '%.*s' is written '%.*s', and that again '%.*s' (%s)",
                  oh_header_info(id)->name, OH_PRI(value), OH_PRI(oh_buf_view(&first)),
                  OH_PRI(oh_buf_view(&second)), rc == OH_OK ? "OK" : fault.why);
}

static void via(struct oh_span value)
{
    static char text[OUT_MAX];
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh_fault fault = {0};
    struct oh_via v, again;
    struct oh_buf b;
    int rc = oh_via_decode(value, &v, &fault);

    if (rc != OH_OK) {
        MUST(fault.code == rc && fault.why && fault.at <= value.n);
        return;
    }
    MUST(fuzz_inside(value, v.host) && fuzz_inside(value, v.branch) && v.rport_at <= value.n);
    oh_addr_parse_port(OH_LIT("192.0.2.99:1234"), &flow.peer);
    oh_buf_init(&b, text, sizeof text);
    oh_build_via_received(&b, &v, &flow);
    MUST(!b.full);
    rc = oh_via_decode(oh_buf_view(&b), &again, &fault);
    if (rc != OH_OK)
        fuzz_fail("Via '%.*s' becomes '%.*s': %s", OH_PRI(value), OH_PRI(oh_buf_view(&b)),
                  fault.why);
    MUST(oh_span_eq(v.host, again.host) && oh_span_eq(v.branch, again.branch));
    MUST(v.port == again.port && v.has_rport == again.has_rport);
    MUST(!v.has_rport || again.rport == flow.peer.port);
    MUST(!again.received.n || oh_span_eq(again.received, OH_LIT("192.0.2.99")));
}

static void value_of(enum oh_header_id id, struct oh_span value)
{
    const struct oh_header_info *info = oh_header_info(id);
    struct oh_visitor visitor = {&value, visit};
    struct oh_span rest = value, one;
    struct oh_fault fault = {0};
    int rc = oh_decode_value(id, value, &visitor, &fault);

    MUST(rc == OH_OK || (fault.code == rc && fault.why && fault.at <= value.n));
    if (!info->list || info->form == OH_FORM_CREDENTIALS) {
        round_trip(id, value);
        header_typed(id, value);
        return;
    }
    while (oh_comma_next(&rest, &one) == OH_OK) {
        MUST(one.n > 0 && fuzz_inside(value, one));
        round_trip(id, one);
        if (id == OH_HEADER_VIA)
            via(one);
        else
            header_typed(id, one);
    }
}

static void hosts(struct oh_span text)
{
    struct oh_addr a, b;
    char room[OH_ADDR_TEXT_MAX];
    size_t n;

    if (oh_addr_parse(text, &a) == OH_OK) {
        MUST(a.port == 0);
        n = oh_addr_host_text(&a, room);
        MUST(oh_addr_parse(oh_span(room, n), &b) == OH_OK && oh_addr_eq(&a, &b));
    }
    if (oh_addr_parse_port(text, &a) == OH_OK) {
        n = oh_addr_text(&a, room);
        MUST(n < OH_ADDR_TEXT_MAX && room[n] == 0);
        MUST(oh_addr_parse_port(oh_span(room, n), &b) == OH_OK && oh_addr_eq(&a, &b));
        oh_addr_unmap(&b);
        MUST(oh_addr_eq(&a, &b) && oh_addr_is_loopback(&a) == oh_addr_is_loopback(&b));
    }
}

static void networks(struct oh_span text)
{
    struct oh_network net;

    if (oh_network_parse(text, &net) != OH_OK)
        return;
    MUST(net.bits <= (net.addr.family == OH_FAMILY_IPV4 ? 32 : 128));
    MUST(oh_network_has(&net, &net.addr));
}

static void params(struct oh_span text)
{
    struct oh_span rest = text, value;
    struct oh_param p;
    unsigned n = 0;
    int rc;

    while ((rc = oh_param_next(&rest, &p)) == OH_OK) {
        MUST(p.name.n > 0 && fuzz_inside(text, p.name) && fuzz_inside(text, p.value));
        MUST(oh_param_find(text, p.name, &value));
        n++;
    }
    /* The check refuses what the walk refuses, and only more. */
    MUST(rc == OH_E_ABSENT || oh_params_check(text) != OH_OK);
    MUST(oh_params_check(text) != OH_OK || n <= 64);
}

static void run(struct oh_span in)
{
    struct fuzz_bytes b = {in};
    unsigned kind = fuzz_byte(&b) % KINDS;

    switch (kind) {
    case URIS: header_uris(b.rest); break;
    case HOSTS: hosts(b.rest); break;
    case NETWORKS: networks(b.rest); break;
    case PARAMS: params(b.rest); break;
    default: value_of((enum oh_header_id)kind, b.rest); break;
    }
}

/* ---- seeds: every row of the corpora ---- */

static void seed(struct fuzz_seeds *to, unsigned kind, struct oh_span text)
{
    char bytes[1024];

    if (text.n >= sizeof bytes)
        return;
    bytes[0] = (char)kind;
    if (text.n)
        memcpy(bytes + 1, text.p, text.n);
    fuzz_seed(to, oh_span(bytes, text.n + 1));
}

static void seed_rows(void *ctx, const char *name, struct oh_span bytes)
{
    static struct oh_msg m;
    size_t used;

    (void)name;
    oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &m, &used, NULL);
    for (unsigned i = 0; i < m.rows_n; i++)
        seed(ctx, m.rows[i].id, oh_row_value(&m, &m.rows[i]));
    if (m.request)
        seed(ctx, URIS, m.uri);
}

static void seeds(struct fuzz_seeds *to)
{
    static const char *const small[] = {
        "192.0.2.1",          "192.0.2.1:5060",
        "[2001:db8::1]:5060", "::ffff:192.0.2.1",
        "fe80::1%2",          "10.0.0.0/8",
        "2001:db8::/32",      "::/0",
        ";a=b;c;d=\"e\"",     ";lr",
    };

    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        for (unsigned kind = HOSTS; kind <= PARAMS; kind++)
            seed(to, kind, oh_span_str(small[i]));
    header_corpus(seed_rows, to);
}

const struct fuzz_harness fuzz_harness = {"header", 2048, run, seeds, NULL};
