/*
 * Fields of every length, lengths that lie, headers that are missing, and
 * headers that come twice: the wounds of parsers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/parts.h"
#include "wounds.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a message in pieces ---- */

/* What stands before a field, what the field usually is, and what a long one is made of. */
struct piece {
    const char *before, *usual;
    char fill;
};

static const struct piece message[] = {
    {"", "MESSAGE", 'M'},
    {" sip:", "bob", 'u'},
    {"@", "example.test", 'h'},
    {";p=", "1", 'p'},
    {" SIP/2.0\r\nVia: SIP/2.0/UDP ", "192.0.2.66", 'v'},
    {";branch=", "z9hG4bKwound", 'b'},
    {";extension=", "x", 'e'},
    {"\r\nMax-Forwards: ", "70", '7'},
    {"\r\nFrom: ", "Mallory", 'n'},
    {" <sip:", "mallory", 'f'},
    {"@example.test>;tag=", "t1", 't'},
    {"\r\nTo: <sip:bob@example.test>;other=", "1", 'o'},
    {"\r\nCall-ID: ", "wound", 'c'},
    {"\r\nCSeq: ", "1", '1'},
    {" ", "MESSAGE", 'M'},
    {"\r\nContact: <sip:m@192.0.2.66>;expires=", "60", '6'},
    {";q=", "0.5", '0'},
    {";+sip.instance=\"", "<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>", 'i'},
    {"\"\r\nContent-Type: multipart/mixed;boundary=", "edge", 'y'},
    {"\r\nRoute: <sip:192.0.2.1;lr;x=", "1", 'r'},
    {">\r\nAuthorization: Digest username=\"", "mallory", 'a'},
    {"\", realm=\"example.test\", nonce=\"", "0", '0'},
    {"\", uri=\"sip:example.test\", response=\"", "0123456789abcdef0123456789abcdef", 'd'},
    {"\", nc=", "00000001", '0'},
    {", cnonce=\"x\", qop=auth\r\nUser-Agent: ", "wound/1", 'g'},
    {"\r\n", "X-Wound", 'X'},
    {": ", "x", 'x'},
    {"\r\nSubject: folded\r\n ", "line", 's'},
};

static const size_t lengths[] = {0,    1,    2,    15,   16,   17,   23,   24,    25,
                                 63,   64,   65,   127,  128,  129,  255,  256,   257,
                                 1023, 1024, 1025, 4095, 4096, 4097, 8193, 32768, 65536};

/* The message with one field of another length, and with another method everywhere. */
static struct oh_span written(struct text *t, const char *method, size_t which, size_t length)
{
    t->n = 0;
    for (size_t i = 0; i < N(message); i++) {
        text_put(t, message[i].before);
        if (i == which)
            text_fill(t, message[i].fill, length);
        else
            text_put(t, strcmp(message[i].usual, "MESSAGE") == 0 ? method : message[i].usual);
    }
    text_put(t, "\r\nContent-Length: 0\r\n\r\n");
    return oh_span(t->p, t->n);
}

static void fields_of_a_request(struct world *w)
{
    static const char *const methods[] = {"MESSAGE", "REGISTER", "INVITE", "OPTIONS"};
    struct text *t = world_keep(w, sizeof *t);
    struct victims v;

    victims_make(w, &v);
    for (size_t field = 0; field < N(message); field++) {
        for (size_t i = 0; i < N(lengths); i++)
            attack(w, &v, written(t, methods[i % N(methods)], field, lengths[i]));
        still_serves(w, &v);
    }
}

/* What a callee may make long: the row, up to the field. */
static const char *const rows_of_response[] = {"Contact: <sip:bob@192.0.2.20>;x=",
                                               "Contact: <sip:",
                                               "Record-Route: <sip:192.0.2.1;lr;x=",
                                               "Server: ",
                                               "Warning: 399 x \"",
                                               "Content-Type: multipart/mixed;boundary=",
                                               "WWW-Authenticate: Digest realm=\"",
                                               "To: <sip:bob@example.test>;tag=",
                                               "RSeq: 1",
                                               "Retry-After: 1",
                                               "X"};

static void fields_of_a_response(struct world *w)
{
    static const unsigned codes[] = {180, 200, 302, 401, 486, 503};
    struct text *t = world_keep(w, sizeof *t);
    struct victims v;

    victims_make(w, &v);
    for (size_t row = 0; row < N(rows_of_response); row++) {
        for (size_t i = 0; i < N(lengths) && lengths[i] < 32768; i++) {
            const struct oh_msg *m;

            ASK(v.alice, .method = i % 2 ? "INVITE" : "MESSAGE", .uri = "sip:bob@example.test");
            m = peer_expect(v.bob, i % 2 ? "INVITE" : "MESSAGE");
            t->n = 0;
            text_put(t, rows_of_response[row]);
            text_fill(t, '1', lengths[i]);
            text_put(t, "\n");
            peer_reply(v.bob, m, codes[i % N(codes)], t->p);
            world_settle(w);
            peer_reply(v.bob, m, 500, "");
            world_settle(w);
        }
        world_run(w, 40000);
        still_serves(w, &v);
    }
}

/* ---- Content-Length ---- */

#define HEAD                                                                                   \
    "MESSAGE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.66;branch=z9hG4bKl%u\r\n" \
    "Max-Forwards: 70\r\nFrom: <sip:m@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"   \
    "Call-ID: length-%u\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n%s\r\nhello"

/* Rows and what must come of them: never a message at bob but with this body. */
static const struct {
    const char *rows, *body; /* body NULL: it must not arrive */
} claims[] = {
    {"Content-Length: 5\r\n", "hello"},
    {"Content-Length: 0005\r\n", "hello"},
    {"Content-Length: 3\r\n", "hel"},
    {"Content-Length: 0\r\n", ""},
    {"Content-Length: -1\r\n", NULL},
    {"Content-Length: +5\r\n", NULL},
    {"Content-Length: 1e3\r\n", NULL},
    {"Content-Length: 0x5\r\n", NULL},
    {"Content-Length: \r\n", NULL},
    {"Content-Length: 5 5\r\n", NULL},
    {"Content-Length: 5, 5\r\n", NULL},
    {"Content-Length: 4294967295\r\n", NULL},
    {"Content-Length: 4294967296\r\n", NULL},
    {"Content-Length: 4294967301\r\n", NULL},
    {"Content-Length: 18446744073709551615\r\n", NULL},
    {"Content-Length: 18446744073709551621\r\n", NULL},
    {"Content-Length: 99999999999999999999\r\n", NULL},
    {"Content-Length: 2147483648\r\n", NULL},
    {"Content-Length: 6\r\n", NULL},
    {"Content-Length: 5\r\nContent-Length: 3\r\n", NULL},
    {"Content-Length: 3\r\nl: 5\r\n", NULL},
    {"l: 0\r\nContent-Length: 5\r\n", NULL},
};

static void check_claim(struct world *w, struct victims *v, size_t i, bool stream)
{
    size_t before = server_bytes(w);
    char text[1024];
    const struct oh_msg *m;
    int n = snprintf(text, sizeof text, HEAD, stream ? "TCP" : "UDP", (unsigned)(i + 100 * stream),
                     (unsigned)(i + 100 * stream), claims[i].rows);

    peer_forget(v->bob);
    if (stream)
        peer_connect(v->mallory);
    peer_send_bytes(v->mallory, oh_span(text, (size_t)n));
    world_settle(w);
    m = peer_last(v->bob, "MESSAGE");
    CHECK_SAY(w, !m == !claims[i].body, "%s of %s", m ? "a message" : "no message", claims[i].rows);
    CHECK_SAY(w, !m || oh_span_eq(m->body, oh_span_str(claims[i].body)),
              "a body of %zu bytes of %s", m->body.n, claims[i].rows);
    /* Nothing is allocated because somebody says so. */
    CHECK_SAY(w, server_bytes(w) < before + 200000, "%zu bytes more because of %s",
              server_bytes(w) - before, claims[i].rows);
    if (m)
        peer_reply(v->bob, m, 200, "");
    if (stream && peer_connected(v->mallory))
        peer_disconnect(v->mallory);
    world_run(w, 40000);
}

static void lengths_that_lie(struct world *w)
{
    struct victims v;

    victims_make(w, &v);
    for (size_t i = 0; i < N(claims); i++)
        for (unsigned stream = 0; stream < 2; stream++)
            check_claim(w, &v, i, stream);
    still_serves(w, &v);
}

/* ---- what is missing ---- */

static const char *const whole[] = {
    "REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKm;"
    "rport\r\n"
    "Max-Forwards: 70\r\nFrom: \"M\" <sip:m@example.test>;tag=1\r\nTo: <sip:m@example.test>\r\n"
    "Call-ID: missing\r\nCSeq: 1 REGISTER\r\nContact: <sip:m@192.0.2.66>;expires=60;q=0.5\r\n"
    "Authorization: Digest username=\"m\", realm=\"example.test\", nonce=\"0\", uri=\"sip:x\", "
    "response=\"00000000000000000000000000000000\", algorithm=MD5, qop=auth, nc=00000001, "
    "cnonce=\"c\"\r\nPath: <sip:192.0.2.66;lr>\r\nSupported: path\r\nContent-Length: 0\r\n\r\n",
    "INVITE sip:bob@example.test;user=phone SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKi;rport;received=192.0.2.66\r\n"
    "Max-Forwards: 70\r\nRoute: <sip:192.0.2.1;lr>\r\nFrom: <sip:m@example.test>;tag=1\r\n"
    "To: <sip:bob@example.test>;tag=2\r\nCall-ID: missing\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:m@192.0.2.66>\r\nRequire: path\r\nProxy-Require: x\r\nExpires: 10\r\n"
    "Proxy-Authorization: Digest username=\"m\", realm=\"example.test\", nonce=\"0\", "
    "uri=\"sip:x\", response=\"00000000000000000000000000000000\"\r\n"
    "Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n",
    "PUBLISH sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKp\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:m@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
    "Call-ID: missing\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\nExpires: 60\r\n"
    "SIP-If-Match: x\r\nContent-Type: application/pidf+xml\r\nContent-Length: 2\r\n\r\n<>",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours,"
    " SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKa\r\nFrom: <sip:a@example.test>;tag=1\r\n"
    "To: <sip:bob@example.test>;tag=2\r\nCall-ID: missing\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:bob@192.0.2.66>\r\nRecord-Route: <sip:192.0.2.1;lr>\r\n"
    "Content-Length: 0\r\n\r\n",
};

/* Cuts out [from, to) and attacks with the rest. */
static void without(struct world *w, struct victims *v, struct oh_span all, size_t from, size_t to)
{
    struct text *t = world_keep(w, sizeof *t);

    memcpy(t->p, all.p, from);
    memcpy(t->p + from, all.p + to, all.n - to);
    attack(w, v, oh_span(t->p, all.n - (to - from)));
}

/* Where the next of the characters stands from `at` on; the end of all when there is none. */
static size_t next_of(struct oh_span all, size_t at, const char *characters)
{
    while (at < all.n && !strchr(characters, all.p[at]))
        at++;
    return at;
}

/* Every row, every parameter, every value behind a '=', ':' or ' ' taken away in turn. */
static void parts_that_are_missing(struct world *w)
{
    static const struct {
        const char *begin, *end;
    } cuts[] = {{"\n", "\n"}, {";", ";,>\r"}, {",", ",\r"}, {"=", ";,>\r "},
                {":", "\r"},  {"<", ">"},     {"\"", "\""}, {" ", "\r "}};
    struct victims v;

    victims_make(w, &v);
    for (size_t k = 0; k < N(whole); k++) {
        struct oh_span all = oh_span_str(whole[k]);

        for (size_t c = 0; c < N(cuts); c++)
            for (size_t at = next_of(all, 0, cuts[c].begin); at + 1 < all.n;
                 at = next_of(all, at + 1, cuts[c].begin))
                without(w, &v, all, at + 1, next_of(all, at + 1, cuts[c].end));
        for (size_t at = 1; at < all.n; at += 7)
            without(w, &v, all, at, all.n);
        still_serves(w, &v);
    }
}

/* ---- what comes twice ---- */

/* A second row of a header that may stand once and that the server reads; of those bob may see one,
 * or nothing at all. (What the server does not read it passes on as it is, RFC 3261 16.6.) */
static const struct {
    enum oh_header_id id;
    const char *row;
} twins[] = {
    {OH_HEADER_TO, "To: <sip:bob@example.test>\n"},
    {OH_HEADER_TO, "t: <sip:carol@example.test>\n"},
    {OH_HEADER_FROM, "From: <sip:alice@example.test>;tag=f-alice\n"},
    {OH_HEADER_FROM, "f: <sip:boss@example.test>;tag=9\n"},
    {OH_HEADER_CALL_ID, "Call-ID: twin\n"},
    {OH_HEADER_CALL_ID, "i: another\n"},
    {OH_HEADER_CSEQ, "CSeq: 1 MESSAGE\n"},
    {OH_HEADER_CSEQ, "CSeq: 2 INVITE\n"},
    {OH_HEADER_MAX_FORWARDS, "Max-Forwards: 70\n"},
    {OH_HEADER_MAX_FORWARDS, "Max-Forwards: 0\n"},
    {OH_HEADER_CONTENT_LENGTH, "Content-Length: 7\n"},
    {OH_HEADER_CONTENT_LENGTH, "l: 3\n"},
};

static void headers_that_come_twice(struct world *w)
{
    struct victims v;

    victims_make(w, &v);
    for (size_t i = 0; i < N(twins); i++) {
        const struct oh_msg *m;
        char rows[128];

        snprintf(rows, sizeof rows, "Content-Type: text/plain\n%s", twins[i].row);
        peer_forget(v.bob);
        ASK(v.alice, .method = "MESSAGE", .uri = "sip:bob@example.test", .call = "twin",
            .rows = rows, .body = "a body.");
        world_settle(w);
        m = peer_last(v.bob, "MESSAGE");
        CHECK_SAY(w, !m || message_rows(m, twins[i].id) == 1, "two rows were forwarded: %s",
                  twins[i].row);
        if (m)
            peer_reply(v.bob, m, 200, "");
        /* Other branch, same Call-ID: let the transaction go. */
        world_run(w, 40000);
    }
    still_serves(w, &v);
}

static const struct conformance_case cases[] = {
    CASE("lengths", "every field of a request at every length", fields_of_a_request),
    CASE("lengths", "every field of a response at every length", fields_of_a_response),
    CASE("Content-Length", "a length that lies is not believed", lengths_that_lie),
    CASE("absent", "every part of a message is missing in turn", parts_that_are_missing),
    CASE("duplicates", "a header that comes twice is not read twice", headers_that_come_twice),
};

CONFORMANCE_CHAPTER(fields, cases);
