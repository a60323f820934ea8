/*
 * The torture messages of RFC 4475 and RFC 5118, byte for byte, against the
 * whole server: one that is responsible for the domains they are written to,
 * where a phone is registered as the user whom most of them ask for.
 *
 * The tables beside the messages (expect.tsv, column proxy_registrar) say what
 * the RFCs permit; the list here says what this server answers, so that a
 * change of mind within the permitted is noticed too. Both must agree. Each
 * message is sent in a datagram or over a stream, as its Via says; two more
 * cases send all of them byte by byte over streams, and to a server that asks
 * for passwords.
 */
#include <stdio.h>

#include "harness.h"
#include "sim/parts.h"

#define NAMES                                                                              \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060',\n"                             \
    "           'udp:[2001:db8::10]:5060', 'tcp:[2001:db8::10]:5060' }\n"                  \
    "domains = { 'example.com', 'example.org', 'example.net', 'chair-dnrc.example.com',\n" \
    "            'registrar.example.com', 'company.com' }\n"

#define TRUSTING NAMES "no_auth = true\n"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define FILE_MAX 16384
#define NOTHING  0 /* no answer */

/* The sender is one host; answers come to it at the port that a Via names. */
static const char *const ports[] = {"5060", "5050", "5070", "6050", "19823"};

/* Who may be reached: the user of the first is user@example.com; the others are what the messages
 * name as hosts, by Request-URI or Route. */
static const struct {
    const char *address, *name;
} phones[] = {
    {"192.0.2.20:5060", "user"},           {"127.0.0.1:5080", "route"},
    {"[2001:db8::10:5070]:5060", "v6a"},   {"[2001:db8::10]:5070", "v6p"},
    {"[2001:db8::192.0.2.1]:5060", "v6m"},
};

/* One message and what became of it. */
struct run {
    struct world *w;
    struct peer *senders[2][N(ports)]; /* the same host over IPv4 and IPv6 */
    struct peer *sender;               /* the one who sent */
    struct peer *phones[N(phones)];
    struct peer *asker;          /* fetches bindings */
    const struct oh_msg *final;  /* the answer; NULL: none */
    const struct oh_msg *passed; /* what went through to one of them; NULL: nothing */
};

/* ---- what else is looked at ---- */

/* A file of the corpus; lives as long as the world. */
static struct oh_span file_of(struct world *w, const char *folder, const char *name)
{
    char path[512], *text = world_keep(w, FILE_MAX);
    size_t n;
    FILE *f;

    snprintf(path, sizeof path, OH_TEST_DATA "/corpus/%s/%s", folder, name);
    f = fopen(path, "rb");
    CHECK_SAY(w, f, "cannot read %s", path);
    n = fread(text, 1, FILE_MAX, f);
    fclose(f);
    CHECK(w, n > 0 && n < FILE_MAX);
    return oh_span(text, n);
}

static void at_nothing(const struct run *r)
{
    (void)r;
}

/* It reached the phone, and what the sender wrote is still in it. */
static void at_passed(const struct run *r)
{
    CHECK(r->w, r->passed != NULL);
    CHECK(r->w, message_values(r->passed, OH_HEADER_VIA) == 2);
}

static void at_wsinv(const struct run *r)
{
    at_nothing(r);
    CHECK(r->w, r->passed != NULL);
    CHECK(r->w,
          message_has(r->passed,
                      "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
                      "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"));
    CHECK(r->w, r->passed->max_forwards == 67);
    CHECK(r->w, message_values(r->passed, OH_HEADER_VIA) == 4);
    CHECK(r->w, message_values(r->final, OH_HEADER_VIA) == 3);
}

/* A fetch of the bindings of a user of example.com. */
static const struct oh_msg *bindings_of(const struct run *r, const char *user)
{
    char to[96];

    snprintf(to, sizeof to, "sip:%s@example.com", user);
    ASK(r->asker, .method = "REGISTER", .uri = "sip:example.com", .to = to, .contact = "-");
    return peer_expect(r->asker, "200");
}

static void at_escnull(const struct run *r)
{
    const struct oh_msg *m = bindings_of(r, "null-%00-null");

    CHECK(r->w, message_values(m, OH_HEADER_CONTACT) == 2);
    CHECK(r->w, message_has(m, "<sip:%00@host5.example.com>"));
    CHECK(r->w, message_has(m, "<sip:%00%00@host5.example.com>"));
    CHECK(r->w, message_values(bindings_of(r, "null-"), OH_HEADER_CONTACT) == 0);
}

/* The INVITE behind the body is noise. */
static void at_dblreq(const struct run *r)
{
    struct oh__serve_stats stats;

    server_stats(r->w, &stats);
    CHECK(r->w, stats.calls == 0);
    CHECK(r->w, peer_count(r->sender, "") == 1);
    CHECK(r->w, message_values(bindings_of(r, "j.user"), OH_HEADER_CONTACT) == 1);
}

static void at_longreq(const struct run *r)
{
    at_nothing(r);
    CHECK(r->w, r->passed != NULL);
    CHECK(r->w, message_values(r->passed, OH_HEADER_VIA) == 35);
    CHECK(r->w, message_values(r->final, OH_HEADER_VIA) == 34);
    CHECK(r->w, message_has(r->passed, "unknown-"));
}

/* All Vias come back in their order, whatever transports they name. */
static void at_transports(const struct run *r)
{
    static const char *const hops[] = {"UDP t1.example.com", "SCTP t2.example.com",
                                       "TLS t3.example.com", "UNKNOWN t4.example.com",
                                       "TCP t5.example.com"};

    CHECK(r->w, message_values(r->final, OH_HEADER_VIA) == N(hops));
    for (unsigned i = 0; i < N(hops); i++)
        CHECK(r->w, text_has(text_of(message_value(r->final, OH_HEADER_VIA, i)), hops[i]));
}

/* RFC 3261 16.3 step 5: a proxy looks at Proxy-Require, and at nothing else. */
static void at_bext01(const struct run *r)
{
    CHECK(r->w, strcmp(value_of(r->final, OH_HEADER_UNSUPPORTED),
                       "noProxiesSupportThis, norDoAnyProxiesSupportThis") == 0);
}

static void at_cparam01(const struct run *r)
{
    const struct oh_msg *m = bindings_of(r, "watson");

    CHECK(r->w, message_has(m, "<sip:+19725552222@gw1.example.net>"));
    CHECK(r->w, message_has(r->final, "<sip:+19725552222@gw1.example.net>"));
}

static void at_cparam02(const struct run *r)
{
    CHECK(r->w,
          message_has(bindings_of(r, "watson"), "<sip:+19725552222@gw1.example.net;unknownparam>"));
}

/* The Contact is the address of record itself, and nothing changes. */
static void at_regescrt(const struct run *r)
{
    const struct oh_msg *m = bindings_of(r, "user");

    CHECK(r->w, told(r->w, "this server itself"));
    CHECK(r->w,
          message_values(m, OH_HEADER_CONTACT) == 1 && message_has(m, "<sip:user@192.0.2.20"));
}

/* The reason phrase names the defect. */
static void at_insuf(const struct run *r)
{
    const char *reason = text_of(r->final->reason);

    CHECK_SAY(r->w, text_has(reason, "Missing "), "the reason is only: %s", reason);
}

static void at_multi01(const struct run *r)
{
    const char *reason = text_of(r->final->reason);

    CHECK_SAY(r->w, text_has(reason, "More than one "), "the reason is only: %s", reason);
}

/* Liberal, but the headers are neither passed on in the Request-URI nor made real. */
static void at_escruri(const struct run *r)
{
    at_passed(r);
    CHECK(r->w, !message_has(r->passed, "Route: <sip:example.com>"));
    CHECK(r->w, !message_has(r->passed, "%3Csip"));
}

/* A branch that is the cookie alone names no transaction: RFC 2543's rules find the second copy. */
static void at_badbranch(const struct run *r)
{
    at_passed(r);
    peer_send_bytes(r->sender, file_of(r->w, "rfc4475", "dat/badbranch.dat"));
    world_settle(r->w);
    CHECK(r->w, peer_count(r->sender, "200") == 2);
    CHECK(r->w, peer_count(r->phones[0], "OPTIONS") == 1);
}

/* Its Route leads to the server's own loopback, where nobody from outside is sent; the body goes
 * its way in a case of its own. */
static void at_mpart01(const struct run *r)
{
    CHECK(r->w, !r->passed);
    CHECK(r->w, peer_count(r->phones[1], "") == 0);
}

/* Where the address says. */
static void at_v6(const struct run *r)
{
    CHECK(r->w, r->passed != NULL);
    CHECK(r->w, message_values(r->passed, OH_HEADER_VIA) == 2);
}

static void at_allow(const struct run *r)
{
    CHECK(r->w, text_has(value_of(r->final, OH_HEADER_ALLOW), "REGISTER"));
    CHECK(r->w, message_values(bindings_of(r, "resource"), OH_HEADER_CONTACT) == 0);
}

static void at_mult(const struct run *r)
{
    CHECK(r->w, message_values(r->final, OH_HEADER_VIA) == 3);
}

static void at_mapped(const struct run *r)
{
    at_nothing(r);
    CHECK(r->w, r->passed != NULL);
    CHECK(r->w, message_values(r->final, OH_HEADER_VIA) == 2);
}

/* ---- the messages ---- */

/* X(name in C, file, folder, final answer, rows, what else is looked at) */
#define TORTURES(X)                                                                   \
    X(wsinv, "wsinv", "rfc4475", 486, "SYN-004 SYN-006", wsinv)                       \
    X(intmeth, "intmeth", "rfc4475", 404, "SYN-022", nothing)                         \
    X(esc01, "esc01", "rfc4475", 404, "SYN-018", nothing)                             \
    X(escnull, "escnull", "rfc4475", 200, "SYN-018", escnull)                         \
    X(esc02, "esc02", "rfc4475", 501, "SYN-018", allow)                               \
    X(lwsdisp, "lwsdisp", "rfc4475", 200, "SYN-004", passed)                          \
    X(longreq, "longreq", "rfc4475", 486, "SYN-019 SYN-006", longreq)                 \
    X(dblreq, "dblreq", "rfc4475", 200, "SYN-020", dblreq)                            \
    X(semiuri, "semiuri", "rfc4475", 404, "SYN-021", nothing)                         \
    X(transports, "transports", "rfc4475", 200, "SYN-021", transports)                \
    X(mpart01, "mpart01", "rfc4475", 403, "SYN-021", mpart01)                         \
    X(unreason, "unreason", "rfc4475", NOTHING, "SYN-023 TXN-015", nothing)           \
    X(noreason, "noreason", "rfc4475", NOTHING, "SYN-023 TXN-015", nothing)           \
    X(badinv01, "badinv01", "rfc4475", 400, "SYN-032", nothing)                       \
    X(clerr, "clerr", "rfc4475", 400, "SYN-026 TRN-014", nothing)                     \
    X(ncl, "ncl", "rfc4475", 400, "SYN-026", nothing)                                 \
    X(scalar02, "scalar02", "rfc4475", 400, "SYN-011", nothing)                       \
    X(scalarlg, "scalarlg", "rfc4475", NOTHING, "SYN-013 TRN-030", nothing)           \
    X(quotbal, "quotbal", "rfc4475", 400, "SYN-014", nothing)                         \
    X(ltgtruri, "ltgtruri", "rfc4475", 400, "SYN-002", nothing)                       \
    X(lwsruri, "lwsruri", "rfc4475", 400, "SYN-002", nothing)                         \
    X(lwsstart, "lwsstart", "rfc4475", 400, "SYN-016", nothing)                       \
    X(trws, "trws", "rfc4475", 400, "SYN-016", nothing)                               \
    X(escruri, "escruri", "rfc4475", 486, "SYN-017", escruri)                         \
    X(baddate, "baddate", "rfc4475", 486, "SYN-037 SYN-007", passed)                  \
    X(regbadct, "regbadct", "rfc4475", 400, "SYN-015", nothing)                       \
    X(badaspec, "badaspec", "rfc4475", 400, "SYN-014", nothing)                       \
    X(baddn, "baddn", "rfc4475", 400, "SYN-014", nothing)                             \
    X(badvers, "badvers", "rfc4475", 505, "SYN-003", nothing)                         \
    X(mismatch01, "mismatch01", "rfc4475", 400, "SYN-010", nothing)                   \
    X(mismatch02, "mismatch02", "rfc4475", 501, "SYN-010", nothing)                   \
    X(bigcode, "bigcode", "rfc4475", NOTHING, "SYN-013 TRN-030", nothing)             \
    X(badbranch, "badbranch", "rfc4475", 200, "SYN-024", badbranch)                   \
    X(insuf, "insuf", "rfc4475", 400, "SYN-009", insuf)                               \
    X(unkscm, "unkscm", "rfc4475", 416, "UAS-004", nothing)                           \
    X(novelsc, "novelsc", "rfc4475", 416, "UAS-004", nothing)                         \
    X(unksm2, "unksm2", "rfc4475", 400, "UAS-004", nothing)                           \
    X(bext01, "bext01", "rfc4475", 420, "UAS-006", bext01)                            \
    X(invut, "invut", "rfc4475", 486, "SYN-007", passed)                              \
    X(regaut01, "regaut01", "rfc4475", 200, "SYN-007", nothing)                       \
    X(multi01, "multi01", "rfc4475", 400, "SYN-008", multi01)                         \
    X(mcl01, "mcl01", "rfc4475", 400, "SYN-026", nothing)                             \
    X(bcast, "bcast", "rfc4475", NOTHING, "TRN-022 TXN-015", nothing)                 \
    X(zeromf, "zeromf", "rfc4475", 483, "UAS-022", nothing)                           \
    X(cparam01, "cparam01", "rfc4475", 200, "SYN-015", cparam01)                      \
    X(cparam02, "cparam02", "rfc4475", 200, "SYN-029", cparam02)                      \
    X(regescrt, "regescrt", "rfc4475", 403, "UAS-014", regescrt)                      \
    X(sdp01, "sdp01", "rfc4475", 486, "SYN-007", passed)                              \
    X(inv2543, "inv2543", "rfc4475", 404, "SYN-025", nothing)                         \
    X(stray, "test", "rfc4475", NOTHING, "TRN-030", nothing)                          \
    X(v6_good, "ipv6-good", "rfc5118", 200, "SYN-035", nothing)                       \
    X(v6_bad, "ipv6-bad", "rfc5118", 400, "SYN-035", nothing)                         \
    X(v6_port_ambiguous, "port-ambiguous", "rfc5118", 200, "SYN-035", v6)             \
    X(v6_port, "port-unambiguous", "rfc5118", 200, "SYN-035", v6)                     \
    X(v6_delim, "via-received-param-with-delim", "rfc5118", 481, "SYN-035", nothing)  \
    X(v6_no_delim, "via-received-param-no-delim", "rfc5118", 200, "SYN-035", nothing) \
    X(v6_sdp, "ipv6-in-sdp", "rfc5118", 486, "SYN-035", nothing)                      \
    X(v6_mult, "mult-ip-in-header", "rfc5118", 200, "SYN-035", mult)                  \
    X(v6_mult_sdp, "mult-ip-in-sdp", "rfc5118", 486, "SYN-035", nothing)              \
    X(v6_mapped, "ipv4-mapped-ipv6", "rfc5118", 486, "SYN-035", mapped)               \
    X(v6_3_colons, "ipv6-bug-abnf-3-colons", "rfc5118", 200, "SYN-035", v6)           \
    X(v6_2_colons, "ipv6-correct-abnf-2-colons", "rfc5118", 200, "SYN-035", v6)

struct torture {
    const char *name, *folder;
    unsigned code; /* of the final answer; NOTHING: none */
    void (*look)(const struct run *r);
};

static const struct torture tortures[] = {
#define ENTRY(id, name, folder, code, rows, look) {name, folder, code, at_##look},
    TORTURES(ENTRY)};

enum {
#define NUMBER(id, name, folder, code, rows, look) TORTURE_##id,
    TORTURES(NUMBER) TORTURES_N
};

/* ---- what is permitted ---- */

/* Takes the text before the next c, or all of it, off the front. */
static struct oh_span cut(struct oh_span *rest, char c)
{
    ptrdiff_t end = oh_span_find(*rest, c);
    struct oh_span head = end < 0 ? *rest : oh_span_head(*rest, (size_t)end);

    *rest = oh_span_from(*rest, head.n + 1);
    return head;
}

/* file, section, kind, via, method, uas, proxy_registrar: the fields of its row in expect.tsv. */
static void row_in_table(struct world *w, const struct torture *t, struct oh_span fields[7])
{
    struct oh_span rest = file_of(w, t->folder, "expect.tsv");
    char name[64];

    snprintf(name, sizeof name, "%s.dat", t->name);
    while (rest.n) {
        struct oh_span line = cut(&rest, '\n');

        for (unsigned i = 0; i < 7; i++)
            fields[i] = cut(&line, '\t');
        if (oh_span_eq(fields[0], oh_span_str(name)))
            return;
    }
    world_fail(w, "expect.tsv has no row for %s", name);
}

/* "400", "4xx". */
static bool is_code(struct oh_span word, unsigned code)
{
    char text[16];

    snprintf(text, sizeof text, "%u", code);
    if (word.n == 3 && word.p[1] == 'x')
        return word.p[0] == text[0];
    return oh_span_eq(word, oh_span_str(text));
}

/* Words as torture-expect.md explains them. */
static bool permitted(struct oh_span words, unsigned code)
{
    bool refused = false, others = false;

    while (words.n) {
        struct oh_span word = cut(&words, ',');

        if (oh_span_eq(word, OH_LIT("none")) && code == NOTHING)
            return true;
        if (word.p[0] == '!') {
            others = true;
            refused |= is_code(oh_span_from(word, 1), code);
        } else if (oh_span_eq(word, OH_LIT("liberal"))) {
            others = true;
        } else if (is_code(word, code)) {
            return true;
        }
    }
    return others && !refused && code != NOTHING && code != 505;
}

/* ---- sending one ---- */

/* The sender's host with all its ports. */
static void senders_new(struct run *r)
{
    static const char *const hosts[] = {"192.0.2.200", "[2001:db8::200]"};
    char address[64], name[32];

    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (unsigned i = 0; i < N(ports); i++) {
            snprintf(address, sizeof address, "%s:%s", hosts[v6], ports[i]);
            snprintf(name, sizeof name, v6 ? "s6-%s" : "s-%s", ports[i]);
            r->senders[v6][i] = peer_new(r->w, address, name);
        }
    }
}

/* All of phones; the first one registers. */
static void phones_new(struct run *r)
{
    for (unsigned i = 0; i < N(phones); i++)
        r->phones[i] = peer_new(r->w, phones[i].address, phones[i].name);
    r->asker = peer_new(r->w, "192.0.2.201:5060", "asker");
    network_name(r->w, "services.example.com", "192.0.2.20");
    network_name(r->w, "host.example.net", "192.0.2.20");
    if (!server_settings(r->w)->no_auth)
        return;
    ASK(r->phones[0], .method = "REGISTER", .uri = "sip:example.com", .to = "sip:user@example.com",
        .call = "of-the-phone", .rows = "Expires: 600\n");
    peer_expect(r->phones[0], "200");
    peer_forget(r->phones[0]);
}

/* What goes through is a right message whatever came in, and is answered. */
static void serve_phones(struct run *r)
{
    for (unsigned i = 0; i < N(phones); i++) {
        const struct oh_msg *m = peer_last(r->phones[i], "");
        struct oh_msg again;

        if (!m)
            continue;
        CHECK(r->w, m->request && !r->passed);
        again = *m;
        CHECK(r->w, oh_msg_check(&again, NULL) == OH_OK);
        CHECK(r->w, oh_span_find(m->uri, '<') < 0 && oh_span_find(m->uri, '?') < 0);
        peer_reply(r->phones[i], m, m->method == OH_METHOD_INVITE ? 486 : 200, "");
        r->passed = m;
    }
}

/* The final answer, which must be the only one. */
static const struct oh_msg *final_of(struct run *r)
{
    static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx", "6xx"};
    const struct oh_msg *found = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < 2 * N(ports); i++) {
        struct peer *p = r->senders[i / N(ports)][i % N(ports)];

        for (unsigned k = 0; k < N(classes); k++) {
            const struct oh_msg *m = peer_last(p, classes[k]);

            n += peer_count(p, classes[k]);
            found = m ? m : found;
        }
    }
    CHECK_SAY(r->w, n <= 1, "%u answers came", n);
    return found;
}

static void bed_new(struct run *r, struct world *w)
{
    *r = (struct run){.w = w};
    senders_new(r);
    phones_new(r);
}

/* Sends one and returns the status of the final answer, or NOTHING. */
static unsigned send_one(struct run *r, const struct torture *t, bool over_stream)
{
    char name[64];

    snprintf(name, sizeof name, "dat/%s.dat", t->name);
    r->sender = r->senders[strcmp(t->folder, "rfc5118") == 0][0];
    r->passed = NULL;
    if (over_stream)
        peer_connect(r->sender);
    peer_send_bytes(r->sender, file_of(r->w, t->folder, name));
    world_settle(r->w);
    serve_phones(r);
    /* Shorter than T1: nothing is repeated yet. */
    world_run(r->w, 100);
    r->final = final_of(r);
    return r->final ? r->final->status : NOTHING;
}

static void torture(struct world *w, const struct torture *t)
{
    struct oh_span fields[7];
    struct run r;
    unsigned code;

    bed_new(&r, w);
    row_in_table(w, t, fields);
    code = send_one(&r, t, !oh_span_eq(fields[3], OH_LIT("UDP")));
    CHECK_SAY(w, permitted(fields[6], code), "the answer was %u; permitted is %.*s", code,
              OH_PRI(fields[6]));
    CHECK_SAY(w, code == t->code, "the answer was %u, not %u", code, t->code);
    t->look(&r);
}

#define RUN(id, name, folder, code, rows, look) \
    static void run_##id(struct world *w)       \
    {                                           \
        torture(w, &tortures[TORTURE_##id]);    \
    }
TORTURES(RUN)

/* mpart01 without its Route: the binary part, NULs and all, arrives as it was sent. */
static void binary_body(struct world *w)
{
    static const char route[] = "Route: <sip:127.0.0.1:5080>\r\n";
    struct oh_span file = file_of(w, "rfc4475", "dat/mpart01.dat"), rest = file;
    char *text = world_keep(w, FILE_MAX);
    const struct oh_msg *m;
    struct run r;

    bed_new(&r, w);
    ASK(r.phones[0], .method = "REGISTER", .uri = "sip:example.org",
        .to = "sip:kumiko@example.org");
    peer_expect(r.phones[0], "200");
    while (memcmp(rest.p, route, strlen(route)) != 0)
        rest = oh_span_from(rest, 1);
    memcpy(text, file.p, file.n - rest.n);
    memcpy(text + (file.n - rest.n), rest.p + strlen(route), rest.n - strlen(route));
    peer_send_bytes(r.senders[0][2], oh_span(text, file.n - strlen(route)));
    m = peer_expect(r.phones[0], "MESSAGE");
    CHECK(w, m->body.n > 0 && memchr(m->body.p, 0, m->body.n) != NULL);
    CHECK(w, oh_span_eq(m->body, oh_span_from(file, file.n - m->body.n)));
    peer_reply(r.phones[0], m, 200, "");
    peer_expect(r.senders[0][2], "200");
}

/* ---- all of them in one life of the server ---- */

/* Another message, when the last one's transactions are over: many have the same branch. */
static void next_one(struct run *r)
{
    peer_disconnect(r->sender);
    world_run(r->w, 70000);
    /* A late answer may have opened another. */
    peer_disconnect(r->sender);
    for (unsigned i = 0; i < 2 * N(ports); i++)
        peer_forget(r->senders[i / N(ports)][i % N(ports)]);
    for (unsigned i = 0; i < N(phones); i++)
        peer_forget(r->phones[i]);
}

/* Strangers get no further than a challenge, whatever they write. */
static void to_strangers(struct world *w)
{
    struct oh_span fields[7];
    struct run r;

    bed_new(&r, w);
    for (unsigned i = 0; i < TORTURES_N; i++) {
        const struct torture *t = &tortures[i];

        row_in_table(w, t, fields);
        unsigned code = send_one(&r, t, !oh_span_eq(fields[3], OH_LIT("UDP")));

        CHECK_SAY(w, code == 401 || code == 407 || permitted(fields[6], code),
                  "%s: the answer was %u; permitted is %.*s", t->name, code, OH_PRI(fields[6]));
        CHECK_SAY(w, code != 200 || oh_span_eq(r.final->cseq_method_text, OH_LIT("OPTIONS")),
                  "%s was served", t->name);
        CHECK_SAY(w, !r.passed, "%s went through", t->name);
        next_one(&r);
    }
}

/* Streams have no ends of datagrams: clerr is waited for, baddn without its empty line too, and
 * what follows dblreq is the next message. transport.c has such streams. */
static bool is_of_datagrams(const struct torture *t)
{
    static const char *const names[] = {"clerr", "baddn", "dblreq", "inv2543"};

    for (size_t i = 0; i < N(names); i++)
        if (strcmp(t->name, names[i]) == 0)
            return true;
    return false;
}

static void byte_by_byte(struct world *w)
{
    static const struct network_faults faults = {.one_by_one = true};
    struct oh_span fields[7];
    struct run r;

    bed_new(&r, w);
    network_faults(w, &faults);
    for (unsigned i = 0; i < TORTURES_N; i++) {
        const struct torture *t = &tortures[i];

        if (is_of_datagrams(t))
            continue;
        row_in_table(w, t, fields);
        unsigned code = send_one(&r, t, true);

        CHECK_SAY(w, permitted(fields[6], code), "%s: the answer was %u; permitted is %.*s",
                  t->name, code, OH_PRI(fields[6]));
        next_one(&r);
    }
}

#define CASE_OF(id, name, folder, code, rows, look) \
    CASE(rows, folder " " name, run_##id, .lua = TRUSTING),

static const struct conformance_case cases[] = {
    TORTURES(CASE_OF)
        CASE("SYN-021", "a multipart body with NULs passes whole", binary_body, .lua = TRUSTING),
    CASE("SEC-004 UAS-001", "torture messages of strangers", to_strangers, .lua = NAMES),
    CASE("TRN-013 SYN-026", "torture messages byte by byte", byte_by_byte, .lua = TRUSTING),
};

CONFORMANCE_CHAPTER(torture, cases);
