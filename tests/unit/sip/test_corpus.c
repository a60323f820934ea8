/*
 * The RFCs' own messages. For the torture messages of RFC 4475 and RFC 5118 a
 * table says what parse and check must answer to every single file, and with
 * which header; the messages printed in other RFCs must be read without harm
 * and mostly be fine. All of them also cut off at every byte, and damaged at
 * random.
 */
#include <offhook/build.h>
#include <offhook/edit.h>
#include <offhook/uri.h>

#include "corpus_walk.h"
#include "sip/scan.h"
#include "sip_test.h"

/* What a file must give. CONTACT: parse and check are fine, its Contact is not. */
enum verdict { FINE, PARSE, CHECK, CONTACT };

static const struct torture {
    const char *file;
    enum verdict verdict;
    int code;        /* of the function that refuses */
    uint16_t header; /* that the fault names */
} tortures[] = {
    /* RFC 4475 3.1.1, valid: SYN-004, SYN-007, SYN-018 to SYN-023 */
    {"wsinv.dat", FINE, 0, 0},
    {"intmeth.dat", FINE, 0, 0},
    {"esc01.dat", FINE, 0, 0},
    {"escnull.dat", FINE, 0, 0},
    {"esc02.dat", FINE, 0, 0},
    {"lwsdisp.dat", FINE, 0, 0},
    {"longreq.dat", FINE, 0, 0},
    {"dblreq.dat", FINE, 0, 0},
    {"semiuri.dat", FINE, 0, 0},
    {"transports.dat", FINE, 0, 0},
    {"mpart01.dat", FINE, 0, 0},
    {"unreason.dat", FINE, 0, 0},
    {"noreason.dat", FINE, 0, 0},
    /* 3.1.2, invalid: SYN-002, SYN-003, SYN-010 to SYN-016, SYN-026 */
    {"badinv01.dat", CHECK, OH_E_SYNTAX, OH_HEADER_VIA},
    {"clerr.dat", PARSE, OH_E_SYNTAX, OH_HEADER_CONTENT_LENGTH},
    {"ncl.dat", PARSE, OH_E_SYNTAX, OH_HEADER_CONTENT_LENGTH},
    {"scalar02.dat", CHECK, OH_E_RANGE, OH_HEADER_CSEQ},
    {"scalarlg.dat", CHECK, OH_E_RANGE, OH_HEADER_CSEQ},
    {"quotbal.dat", CHECK, OH_E_SYNTAX, OH_HEADER_TO},
    {"ltgtruri.dat", CHECK, OH_E_SYNTAX, OH_HEADER_OTHER},
    {"lwsruri.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER},
    {"lwsstart.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER},
    {"trws.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER},
    {"escruri.dat", FINE, 0, 0}, /* the headers of a Request-URI are dropped by who uses it */
    {"baddate.dat", FINE, 0, 0}, /* Date is nobody's business here */
    {"regbadct.dat", CONTACT, OH_E_SYNTAX, OH_HEADER_CONTACT},
    {"badaspec.dat", CHECK, OH_E_SYNTAX, OH_HEADER_TO},
    {"baddn.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER}, /* ends before its empty line, too */
    {"badvers.dat", PARSE, OH_E_VERSION, OH_HEADER_OTHER},
    {"mismatch01.dat", CHECK, OH_E_SYNTAX, OH_HEADER_CSEQ},
    {"mismatch02.dat", CHECK, OH_E_SYNTAX, OH_HEADER_CSEQ},
    {"bigcode.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER},
    /* 3.2 to 3.4: SYN-008, SYN-009, SYN-024, SYN-025 */
    {"badbranch.dat", FINE, 0, 0},
    {"insuf.dat", CHECK, OH_E_ABSENT, OH_HEADER_FROM},
    {"unkscm.dat", FINE, 0, 0},
    {"novelsc.dat", FINE, 0, 0},
    {"unksm2.dat", FINE, 0, 0},
    {"bext01.dat", FINE, 0, 0},
    {"invut.dat", FINE, 0, 0},
    {"regaut01.dat", FINE, 0, 0},
    {"multi01.dat", CHECK, OH_E_DUPLICATE, OH_HEADER_FROM},
    {"mcl01.dat", PARSE, OH_E_DUPLICATE, OH_HEADER_CONTENT_LENGTH},
    {"bcast.dat", FINE, 0, 0},
    {"zeromf.dat", FINE, 0, 0},
    {"cparam01.dat", FINE, 0, 0},
    {"cparam02.dat", FINE, 0, 0},
    {"regescrt.dat", FINE, 0, 0},
    {"sdp01.dat", FINE, 0, 0},
    {"inv2543.dat", FINE, 0, 0},
    {"test.dat", PARSE, OH_E_SYNTAX, OH_HEADER_OTHER},
    /* RFC 5118: SYN-035 */
    {"ipv6-good.dat", FINE, 0, 0},
    {"ipv6-bad.dat", CHECK, OH_E_SYNTAX, OH_HEADER_OTHER},
    {"port-ambiguous.dat", FINE, 0, 0},
    {"port-unambiguous.dat", FINE, 0, 0},
    {"via-received-param-with-delim.dat", FINE, 0, 0},
    {"via-received-param-no-delim.dat", FINE, 0, 0},
    {"ipv6-in-sdp.dat", FINE, 0, 0},
    {"mult-ip-in-header.dat", FINE, 0, 0},
    {"mult-ip-in-sdp.dat", FINE, 0, 0},
    {"ipv4-mapped-ipv6.dat", FINE, 0, 0},
    {"ipv6-bug-abnf-3-colons.dat", FINE, 0, 0},
    {"ipv6-correct-abnf-2-colons.dat", FINE, 0, 0},
};

/* Decodes every value of an address list; the first error, with its header in the fault. */
static int addresses(const struct oh_msg *m, enum oh_header_id id, struct oh_fault *fault)
{
    struct oh_list it = {0};
    struct oh_span value;
    struct oh_address a;
    struct oh_contact_params c;
    struct oh_uri u;
    int rc;

    while ((rc = oh_list_next(m, id, &it, &value)) == OH_OK) {
        rc = oh_address_decode(value, &a, fault);
        if (rc == OH_OK && !a.star)
            rc = oh_uri_parse(a.uri, &u, fault);
        if (rc != OH_OK) {
            fault->header = (uint16_t)id;
            return rc;
        }
        /* Asked for what the registrar and the location table ask. */
        (void)oh_contact_params(&a, &c);
        if (!a.star)
            assert_true(oh_uri_equal(&u, &u));
    }
    return rc == OH_E_ABSENT ? OH_OK : rc;
}

static void torture_file(void *ctx, const char *name, struct oh_span bytes)
{
    unsigned *seen = ctx;
    struct oh_msg m;
    struct oh_fault fault = {0};
    const struct torture *t = NULL;
    enum verdict verdict = PARSE;
    size_t used;
    int rc;

    for (size_t i = 0; i < COUNT(tortures); i++)
        if (strcmp(tortures[i].file, name) == 0)
            t = &tortures[i];
    if (!t)
        fail_msg("%s is not in the table", name);
    rc = oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &m, &used, &fault);
    assert_int_equal(used, bytes.n);
    if (rc == OH_OK) {
        verdict = CHECK;
        rc = oh_msg_check(&m, &fault);
    }
    if (rc == OH_OK) {
        verdict = CONTACT;
        rc = addresses(&m, OH_HEADER_CONTACT, &fault);
    }
    if (rc == OH_OK)
        verdict = FINE;
    if (verdict != t->verdict || rc != t->code)
        fail_msg("%s: step %d gave %d (%s at %u)", name, verdict, rc, fault.why, fault.at);
    if (rc != OH_OK) {
        assert_int_equal(fault.header, t->header);
        assert_non_null(fault.why);
        assert_true(fault.at <= bytes.n);
    }
    (*seen)++;
}

/* rows: SYN-014 SYN-015 SYN-021 SYN-024 SYN-035 */
static void torture(void **state)
{
    unsigned seen = 0;

    (void)state;
    assert_int_equal(corpus_walk("corpus/rfc4475/dat", ".dat", torture_file, &seen), 50);
    assert_int_equal(corpus_walk("corpus/rfc5118/dat", ".dat", torture_file, &seen), 12);
    assert_int_equal(seen, COUNT(tortures));
}

static void find_file(void *ctx, const char *name, struct oh_span bytes)
{
    struct {
        const char *name;
        struct oh_span copy;
    } *want = ctx;

    if (strcmp(name, want->name) == 0)
        want->copy = exact_copy(bytes);
}

/* A torture message, parsed; free the copy that is returned. */
static struct oh_span torture_message(const char *name, struct oh_msg *m)
{
    struct {
        const char *name;
        struct oh_span copy;
    } want = {name, {NULL, 0}};
    size_t used;

    corpus_walk("corpus/rfc4475/dat", ".dat", find_file, &want);
    corpus_walk("corpus/rfc5118/dat", ".dat", find_file, &want);
    assert_non_null(want.copy.p);
    assert_int_equal(oh_msg_parse(want.copy, OH_MSG_DATAGRAM, NULL, m, &used, NULL), OH_OK);
    assert_int_equal(oh_msg_check(m, NULL), OH_OK);
    return want.copy;
}

/* The valid ones are not only taken, but understood. */
static void understood(void **state)
{
    struct oh_list it = {0};
    struct oh_span value, copy;
    struct oh_via via;
    struct oh_address a;
    struct oh_uri u;
    struct oh_msg m;

    (void)state;
    copy = torture_message("wsinv.dat", &m);
    assert_text(m.to_tag, "1918181833n");
    assert_text(m.from.display, "\"J Rosenberg \\\\\\\"\"");
    assert_text(m.from_tag, "98asjd8");
    assert_int_equal(m.max_forwards, 68);
    assert_int_equal(m.cseq, 9);
    assert_int_equal(m.body.n, 150);
    for (unsigned i = 0; oh_list_next(&m, OH_HEADER_VIA, &it, &value) == OH_OK; i++) {
        static const char *const hosts[] = {"192.0.2.2", "spindle.example.com", "192.168.255.111"};
        static const char *const branches[] = {"390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"};

        assert_true(i < 3);
        assert_int_equal(oh_via_decode(value, &via, NULL), OH_OK);
        assert_text(via.host, hosts[i]);
        assert_text(via.branch, branches[i]);
    }
    exact_free(copy);

    copy = torture_message("escnull.dat", &m); /* SYN-018 */
    it = (struct oh_list){0};
    assert_int_equal(oh_list_next(&m, OH_HEADER_CONTACT, &it, &value), OH_OK);
    assert_int_equal(oh_address_decode(value, &a, NULL), OH_OK);
    assert_text(a.uri, "sip:%00@host5.example.com");
    assert_int_equal(oh_list_next(&m, OH_HEADER_CONTACT, &it, &value), OH_OK);
    assert_int_equal(oh_uri_parse(a.uri, &u, NULL), OH_OK);
    assert_int_equal(oh_address_decode(value, &a, NULL), OH_OK);
    assert_text(a.uri, "sip:%00%00@host5.example.com");
    assert_text(m.to_uri.user, "null-%00-null");
    exact_free(copy);

    copy = torture_message("dblreq.dat", &m); /* SYN-020 */
    assert_int_equal(m.method, OH_METHOD_REGISTER);
    assert_int_equal(m.body.n, 0);
    assert_true(m.raw.n < copy.n);
    exact_free(copy);

    copy = torture_message("semiuri.dat", &m); /* SYN-021 */
    assert_text(m.request_uri.user, "user;par=u%40example.net");
    exact_free(copy);

    copy = torture_message("esc02.dat", &m); /* SYN-018: no recursive reading of escapes */
    assert_int_equal(m.method, OH_METHOD_OTHER);
    assert_non_null(oh_msg_other(&m, OH_LIT("c%6Fntact"), NULL));
    exact_free(copy);

    copy = torture_message("port-ambiguous.dat", &m); /* SYN-035 */
    assert_int_equal(m.request_uri.port, 0);
    assert_int_equal(m.request_uri.addr.family, OH_FAMILY_IPV6);
    exact_free(copy);

    copy = torture_message("via-received-param-with-delim.dat", &m);
    assert_text(m.via.received, "[2001:db8::9:255]");
    exact_free(copy);
}

/* Everything that a server does with a message that was parsed, whatever the outcome. */
static void exercise(const struct oh_msg *parsed, int rc)
{
    static char text[70000];
    struct oh_msg m = *parsed;
    struct oh_flow flow = {.transport = OH_TRANSPORT_UDP};
    struct oh_reply reply = {.code = 400, .to_tag = OH_LIT("t")};
    struct oh_fault fault = {0};
    struct oh_edits e;
    struct oh_buf out;
    uint32_t number;

    oh_addr_parse_port(OH_LIT("192.0.2.1:1234"), &flow.peer);
    for (unsigned i = 0; i < m.rows_n; i++) {
        const struct oh_row *r = &m.rows[i];

        assert_true(r->name + r->name_len <= r->value && r->value + r->value_len + 2 <= r->end);
        assert_true(r->end <= m.body_at && r->next <= m.rows_n && r->id < OH_HEADER_COUNT);
        assert_true(!r->next || (r->next > i + 1 && m.rows[r->next - 1].id == r->id));
    }
    if (oh_msg_check(&m, &fault) == OH_OK)
        assert_true(m.via.host.n && m.from.uri.n && m.to.uri.n && m.call_id.n);
    else
        assert_true(fault.why && fault.at <= m.raw.n && oh_msg_fault_status(&fault) == 400);
    (void)addresses(&m, OH_HEADER_CONTACT, &fault);
    (void)addresses(&m, OH_HEADER_ROUTE, &fault);
    (void)addresses(&m, OH_HEADER_RECORD_ROUTE, &fault);
    (void)oh_msg_has_token(&m, OH_HEADER_SUPPORTED, OH_LIT("timer"));
    (void)oh_msg_number(&m, OH_HEADER_EXPIRES, &number);
    oh_buf_init(&out, text, sizeof(text));
    if (m.request)
        assert_int_equal(oh_build_reply(&out, &m, &flow, &reply), OH_OK);
    oh_edits_init(&e);
    oh_edits_pop_value(&e, &m, OH_HEADER_VIA);
    oh_edits_insert_rows(&e, &m, NULL, OH_LIT("X: y\r\n"));
    oh_buf_init(&out, text, sizeof(text));
    /* What was parsed without fault is a message again after an edit, with one row more. */
    if (rc == OH_OK && !e.failed) {
        struct oh_msg again;
        size_t used;

        assert_int_equal(oh_edits_apply(m.raw, &e, NULL, &out), OH_OK);
        if (m.rows_n < OH_MSG_HEADERS_MAX)
            assert_int_equal(
                oh_msg_parse(oh_buf_view(&out), OH_MSG_DATAGRAM, NULL, &again, &used, NULL), OH_OK);
    }
}

/* Parses a text both ways in a block of its exact size, and compares the scanners on it. */
static int try_text(struct oh_span text)
{
    static struct oh_msg m, a_msg, b_msg;
    struct oh_span exact = exact_copy(text);
    struct oh_fault fault = {0};
    struct oh__scan a, b;
    size_t used;
    int rc, stream;

    memset(&m, 0xa5, sizeof(m)); /* nothing of the message before may shine through */
    rc = oh_msg_parse(exact, OH_MSG_DATAGRAM, NULL, &m, &used, &fault);
    assert_int_equal(used, exact.n);
    assert_int_equal(fault.code, rc);
    exercise(&m, rc);
    stream = oh_msg_parse(exact, OH_MSG_STREAM, NULL, &m, &used, NULL);
    assert_true(used <= exact.n);
    if (stream == OH_OK)
        exercise(&m, stream);
    if (oh__scan_has_avx2()) {
        /* What lies behind the last row was never written, and is the same in both. */
        memset(&a_msg, 0, sizeof(a_msg));
        memset(&b_msg, 0, sizeof(b_msg));
        assert_int_equal(oh__scan_scalar(exact.p, exact.n, &a_msg, &a),
                         oh__scan_avx2(exact.p, exact.n, &b_msg, &b));
        assert_int_equal(a.at, b.at);
        assert_int_equal(a.start_n, b.start_n);
        assert_int_equal(a.start_folded, b.start_folded);
        assert_ptr_equal(a.broken, b.broken);
        assert_int_equal(a.broken_at, b.broken_at);
        assert_memory_equal(&a_msg, &b_msg, sizeof(a_msg));
    }
    exact_free(exact);
    return rc;
}

/* The empty span without a pointer is an empty text like any other. */
static void nothing(void **state)
{
    struct oh_span none = oh_span(NULL, 0), rest = none, value;
    char text[16];
    struct oh_buf out;
    struct oh_address a;
    struct oh_param p;
    struct oh_uri u;
    struct oh_via v;
    struct oh_msg m;
    size_t used = 1;

    (void)state;
    assert_int_equal(oh_address_decode(none, &a, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_uri_parse(none, &u, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_via_decode(none, &v, NULL), OH_E_SYNTAX);
    assert_int_equal(oh_param_next(&rest, &p), OH_E_ABSENT);
    assert_int_equal(oh_params_check(none), OH_OK);
    assert_int_equal(oh_comma_next(&rest, &value), OH_E_ABSENT);
    assert_false(oh_param_find(none, OH_LIT("tag"), &value));
    assert_int_equal(oh_header_of(none), OH_HEADER_OTHER);
    assert_int_equal(oh_method_of(none), OH_METHOD_OTHER);
    assert_int_equal(oh_transport_of(none), OH_TRANSPORT_OTHER);
    assert_int_equal(oh_msg_parse(none, OH_MSG_DATAGRAM, NULL, &m, &used, NULL), OH_E_ABSENT);
    assert_int_equal(used, 0);
    assert_int_equal(oh_msg_check(&m, NULL), OH_E_ABSENT);
    assert_int_equal(oh_msg_parse(none, OH_MSG_STREAM, NULL, &m, &used, NULL), OH_E_INCOMPLETE);
    oh_buf_init(&out, text, sizeof(text));
    oh_unquote(none, &out);
    oh_uri_put_user(&out, none);
    assert_int_equal(oh_edits_apply(none, NULL, NULL, &out), OH_OK);
    oh_address_put(&out, none, none);
    assert_text(oh_buf_view(&out), "<>");
}

struct tally {
    unsigned fine, placeholder, other;
};

/* A printed message is fine, or its Content-Length is a placeholder ("...") or counts other bytes.
 */
static void flow_file(void *ctx, const char *name, struct oh_span bytes)
{
    struct tally *tally = ctx;
    struct oh_msg m;
    struct oh_fault fault = {0};
    size_t used;
    int rc = try_text(bytes);

    (void)name;
    oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &m, &used, &fault);
    if (rc == OH_OK)
        tally->fine++;
    else if (fault.header == OH_HEADER_CONTENT_LENGTH)
        tally->placeholder++;
    else
        tally->other++;
    assert_true(m.rows_n > 0);
}

static void flows(void **state)
{
    struct tally tally = {0};

    (void)state;
    assert_int_equal(corpus_walk("corpus/rfc-flows", ".sip", flow_file, &tally), 805);
    assert_int_equal(tally.fine, 635);
    assert_int_equal(tally.placeholder, 167);
    assert_int_equal(tally.other, 3);
}

/* A message cut off at every byte; nothing is read behind the cut, and no part is a whole. */
static void cut_file(void *ctx, const char *name, struct oh_span bytes)
{
    size_t *cuts = ctx;
    struct oh_msg m;
    size_t used, n;

    (void)name;
    /* The header section is what is parsed; of long bodies only the first bytes are of interest. */
    oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &m, &used, NULL);
    for (n = 0; n < bytes.n && n < m.body_at + (size_t)8; n++) {
        int rc = try_text(oh_span_head(bytes, n));

        if (n < m.body_at)
            assert_int_not_equal(rc, OH_OK);
        (*cuts)++;
    }
}

static void prefixes(void **state)
{
    size_t cuts = 0;

    (void)state;
    corpus_walk("corpus/rfc4475/dat", ".dat", cut_file, &cuts);
    corpus_walk("corpus/rfc5118/dat", ".dat", cut_file, &cuts);
    corpus_walk("corpus/rfc-flows/rfc3665", ".sip", cut_file, &cuts);
    assert_true(cuts > 50000);
}

/* Every decoder on every prefix of every value of a message. */
static void cut_values(void *ctx, const char *name, struct oh_span bytes)
{
    size_t *cuts = ctx;
    struct oh_msg m;
    size_t used;

    (void)name;
    oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &m, &used, NULL);
    for (unsigned i = 0; i < m.rows_n; i++)
        for (size_t n = 0; n <= m.rows[i].value_len; n++) {
            struct oh_span exact = exact_copy(oh_span_head(oh_row_value(&m, &m.rows[i]), n));
            struct oh_span rest = exact, value;
            struct oh_address a;
            struct oh_uri u;
            struct oh_via v;

            (void)oh_via_decode(exact, &v, NULL);
            if (oh_address_decode(exact, &a, NULL) == OH_OK)
                (void)oh_uri_parse(a.uri, &u, NULL);
            (void)oh_uri_parse(exact, &u, NULL);
            (void)oh_params_check(exact);
            while (oh_comma_next(&rest, &value) == OH_OK)
                assert_true(value.n > 0);
            exact_free(exact);
            (*cuts)++;
        }
}

static void value_prefixes(void **state)
{
    size_t cuts = 0;

    (void)state;
    corpus_walk("corpus/rfc4475/dat", ".dat", cut_values, &cuts);
    corpus_walk("corpus/rfc5118/dat", ".dat", cut_values, &cuts);
    assert_true(cuts > 15000);
}

/* Changes, takes out, doubles or puts in a few bytes. */
static size_t damage(struct oh__rng *r, char *text, size_t n, size_t cap)
{
    static const char spice[] = "\r\n\r\n \t:;,<>\"\\@=%/?&[]()*\0\x7f\xff"
                                "0129aZ";
    unsigned times = 1 + (unsigned)oh__rng_below(r, 4);

    while (times-- && n) {
        size_t at = (size_t)oh__rng_below(r, n), len = (size_t)oh__rng_below(r, 9);
        char c = spice[oh__rng_below(r, sizeof(spice) - 1)];

        len = len < n - at ? len : n - at;
        switch (oh__rng_below(r, 4)) {
        case 0: text[at] = c; break;
        case 1:
            memmove(text + at, text + at + len, n - at - len);
            n -= len;
            break;
        case 2:
            if (n + len <= cap) {
                memmove(text + at + len, text + at, n - at);
                n += len;
            }
            break;
        default:
            if (n + 1 <= cap) {
                memmove(text + at + 1, text + at, n - at);
                text[at] = c;
                n++;
            }
            break;
        }
    }
    return n;
}

struct mutation {
    unsigned rounds; /* per file */
    unsigned fine, refused;
};

static void damage_file(void *ctx, const char *name, struct oh_span bytes)
{
    static char text[70000];
    struct mutation *mut = ctx;
    uint8_t seed = 4;
    struct oh__rng rng;

    /* Files come in any order, so each has its own seed. */
    for (size_t i = 0; name[i]; i++)
        seed = (uint8_t)(seed * 31 + name[i]);
    rng = test_rng(seed);
    for (unsigned i = 0; i < mut->rounds && bytes.n < 60000; i++) {
        size_t n;

        memcpy(text, bytes.p, bytes.n);
        n = damage(&rng, text, bytes.n, sizeof(text));
        if (try_text(oh_span(text, n)) == OH_OK)
            mut->fine++;
        else
            mut->refused++;
    }
}

static void mutations(void **state)
{
    struct mutation mut = {.rounds = 200};

    (void)state;
    corpus_walk("corpus/rfc4475/dat", ".dat", damage_file, &mut);
    corpus_walk("corpus/rfc5118/dat", ".dat", damage_file, &mut);
    mut.rounds = 10;
    corpus_walk("corpus/rfc-flows", ".sip", damage_file, &mut);
    /* Both outcomes must be common, or the damage is of the wrong kind. */
    assert_true(mut.fine > 2000 && mut.refused > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing),   cmocka_unit_test(torture),  cmocka_unit_test(understood),
        cmocka_unit_test(flows),     cmocka_unit_test(prefixes), cmocka_unit_test(value_prefixes),
        cmocka_unit_test(mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
