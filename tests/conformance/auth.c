/*
 * Authentication and what protects the server (requirements 19): who is asked,
 * how, and what strangers can find out or make grow.
 */
#include <stdio.h>
#include <stdlib.h>

#include <offhook/digest.h>

#include "harness.h"
#include "sim/parts.h"

#define CALLER "192.0.2.10:5060"
#define PHONE  "192.0.2.20:5060"

/* Digest-related fields that a phone may choose; zero means what a well-behaved one does. */
struct digest {
    const char *user, *password, *method, *uri;
    const char *algorithm; /* of the challenge; "MD5-sess" ... */
    const char *body;
    const char *cnonce;
    const char *ha1; /* instead of a password */
    uint32_t nc;     /* 1 */
    bool no_qop;     /* as RFC 2069 has it */
    bool integer;    /* qop=auth-int */
};

/* Decodes a challenge's row of a 401 or 407. */
static void decode(struct world *w, const struct oh_msg *m, unsigned row, struct oh_challenge *out)
{
    enum oh_header_id id = m->status == 407 ? OH_HEADER_PROXY_AUTHENTICATE
                                            : OH_HEADER_WWW_AUTHENTICATE;
    const struct oh_row *r = oh_msg_row(m, id);

    while (row-- && r)
        r = oh_msg_row_next(m, r);
    CHECK(w, r != NULL);
    CHECK(w, oh_challenge_decode(oh_row_value(m, r), out, NULL) == OH_OK);
}

/* The credentials that answer a challenge; response in hex. */
static void credentials(struct world *w, const struct oh_msg *m, const struct digest *d,
                        struct oh_credentials *c, char hex[OH_HASH_HEX_MAX])
{
    const struct oh_hasher *h = w->server.env.hasher;
    struct oh_challenge challenge;
    char ha1[OH_HASH_HEX_MAX];
    size_t n;

    decode(w, m, 0, &challenge);
    *c = (struct oh_credentials){.username = oh_span_str(d->user),
                                 .realm = challenge.realm,
                                 .nonce = challenge.nonce,
                                 .uri = oh_span_str(d->uri),
                                 .algorithm = d->algorithm
                                                  ? oh_algorithm_of(oh_span_str(d->algorithm))
                                                  : challenge.algorithm};
    if (!d->no_qop) {
        c->qop = d->integer ? OH_QOP_AUTH_INT : OH_QOP_AUTH;
        c->qop_text = d->integer ? OH_LIT("auth-int") : OH_LIT("auth");
        c->nc = d->nc ? d->nc : 1;
        c->has_nc = true;
    }
    if (!d->no_qop || c->algorithm.sess)
        c->cnonce = oh_span_str(d->cnonce ? d->cnonce : "0a4f113b");
    n = oh_digest_ha1(h, c->algorithm.hash, c->username, c->realm,
                      oh_span_str(d->password ? d->password : password_of(d->user)), ha1);
    n = oh_digest_response(h, c, d->ha1 ? oh_span_str(d->ha1) : oh_span(ha1, n),
                           oh_span_str(d->method), oh_span_str(d->body), hex);
    CHECK(w, n > 0);
    c->response = oh_span(hex, n);
}

/* The whole row with "\n" behind it; lives until 8 more texts. */
static const char *row_for(struct world *w, const struct oh_msg *m, const struct digest *d)
{
    struct oh_credentials c;
    char hex[OH_HASH_HEX_MAX], text[2048];
    struct oh_buf b;

    credentials(w, m, d, &c, hex);
    oh_buf_init(&b, text, sizeof text);
    oh_buf_span(&b, m->status == 407 ? OH_LIT("Proxy-Authorization: ") : OH_LIT("Authorization: "));
    oh_credentials_put(&b, &c);
    oh_buf_char(&b, '\n');
    return text_of(oh_buf_view(&b));
}

/* A REGISTER of bob with these rows, and its answer. */
static const struct oh_msg *try(struct peer *bob, unsigned cseq, const char *rows)
{
    registers(bob, "bob", "", cseq, NULL, rows);
    return answer(bob, "");
}

static const struct oh_msg *challenge_of(struct peer *bob)
{
    registers(bob, "bob", "-first", 1, NULL, "");
    return answer(bob, "401");
}

/* Fields of a digest: bob registers. */
#define BOB         .user = "bob", .method = "REGISTER"
#define REGISTERING BOB, .uri = "sip:example.test"

/* ---- challenges ---- */

static void no_basic(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    /* bob:bob-secret */
    m = try(bob, 1, "Authorization: Basic Ym9iOmJvYi1zZWNyZXQ=\n");
    CHECK(w, m->status == 401);
    CHECK(w, strncmp(value_of(m, OH_HEADER_WWW_AUTHENTICATE), "Digest ", 7) == 0);
    CHECK(w, !message_has(m, "Basic"));
}

static void which_code(struct world *w)
{
    static const struct {
        const char *method, *uri, *code;
    } list[] = {
        {"REGISTER", "sip:example.test", "401"},    {"SUBSCRIBE", "sip:example.test", "401"},
        {"INVITE", "sip:bob@example.test", "407"},  {"MESSAGE", "sip:bob@example.test", "407"},
        {"INVITE", "sip:x@elsewhere.test", "407"},  {"OPTIONS", "sip:bob@example.test", "407"},
        {"PUBLISH", "sip:bob@example.test", "407"},
    };
    struct peer *alice = peer_new(w, CALLER, "alice");

    accounts(w);
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        bool proxy = list[i].code[2] == '7';
        struct oh_challenge c;

        ASK(alice, .method = list[i].method, .uri = list[i].uri, .to = "sip:alice@example.test",
            .rows = "Event: x\n");
        const struct oh_msg *m = answer(alice, list[i].code);

        CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == (proxy ? 1 : 0));
        CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == (proxy ? 0 : 1));
        decode(w, m, 0, &c);
        CHECK(w, oh_span_eq(c.realm, OH_LIT("example.test")));
    }
}

static void one_md5_by_default(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    struct oh_challenge c;
    const struct oh_msg *m = (accounts(w), challenge_of(bob));

    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 1);
    decode(w, m, 0, &c);
    CHECK(w, c.algorithm.hash == OH_HASH_MD5 && !c.algorithm.sess);
}

#define TWO                                                     \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', digest = { 'SHA-256', 'MD5' } } }\n"

static void preferred_first(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    struct oh_challenge first, second;
    const struct oh_msg *m;

    accounts(w);
    m = challenge_of(bob);
    CHECK(w, message_rows(m, OH_HEADER_WWW_AUTHENTICATE) == 2);
    decode(w, m, 0, &first);
    decode(w, m, 1, &second);
    CHECK(w, first.algorithm.hash == OH_HASH_SHA256 && second.algorithm.hash == OH_HASH_MD5);
    CHECK(w, oh_span_eq(first.realm, second.realm));
    /* The same account answers either: every hash was stored. */
    CHECK(w, try(bob, 1, row_for(w, m, &(struct digest){REGISTERING}))->status == 200);
    m = challenge_of(peer_new(w, "192.0.2.20:5061", "bob"));
    CHECK(w,
          try(bob, 2, row_for(w, m, &(struct digest){REGISTERING, .algorithm = "MD5"}))->status ==
              200);
}

#define SHA_ONLY                                                \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { { 'example.test', digest = { 'SHA-256' } } }\n"

static void only_what_was_offered(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    m = challenge_of(bob);
    CHECK(w,
          try(bob, 1, row_for(w, m, &(struct digest){REGISTERING, .algorithm = "MD5"}))->status ==
              401);
    CHECK(w, told(w, "MD5"));
    CHECK(w, try(bob, 2, row_for(w, m, &(struct digest){REGISTERING}))->status == 200);
}

#define DOMAINS                                                 \
    "listen = { 'udp:192.0.2.1:5060', 'tcp:192.0.2.1:5060' }\n" \
    "domains = { 'example.test', 'second.test' }\n"

static void realm_of_each_domain(struct world *w)
{
    static const struct {
        const char *uri, *realm;
    } list[] = {{"sip:bob@second.test", "second.test"},
                {"sip:bob@example.test", "example.test"},
                {"sip:bob@192.0.2.1", "example.test"},
                {"sip:bob@elsewhere.test", "example.test"}};
    struct peer *alice = peer_new(w, CALLER, "alice");

    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct oh_challenge c;

        ASK(alice, .method = "MESSAGE", .uri = list[i].uri);
        decode(w, answer(alice, "407"), 0, &c);
        CHECK_SAY(w, oh_span_eq(c.realm, oh_span_str(list[i].realm)), "%s is asked for %s",
                  list[i].uri, text_of(c.realm));
    }
}

static void ways_to_answer(struct world *w)
{
    static const struct digest list[] = {
        {REGISTERING},
        {REGISTERING, .algorithm = "MD5-sess"},
        {REGISTERING, .no_qop = true},
        {REGISTERING, .integer = true},
        {REGISTERING, .nc = 0xabc},
        {BOB, .uri = "sip:example.test:5060"},
    };
    struct peer *bob = peer_new(w, PHONE, "bob");

    accounts(w);
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        registers(bob, "bob", "-first", 1, NULL, "");
        const struct oh_msg *m = answer(bob, "401");
        struct digest wrong = list[i];
        struct oh_challenge c;

        decode(w, m, 0, &c);
        CHECK(w, c.qop & OH_QOP_AUTH);
        wrong.password = "guessed";
        CHECK_SAY(w, try(bob, 2 * i + 1, row_for(w, m, &wrong))->status == 401,
                  "line %u: a wrong password was accepted", i);
        CHECK_SAY(w, try(bob, 2 * i + 2, row_for(w, m, &list[i]))->status == 200,
                  "line %u: the right password was refused", i);
    }
}

/* RFC 7616 3.3: what is quoted in what we write. */
static void quotes_of_ours(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const char *row;

    accounts(w);
    registers(bob, "bob", "", 1, NULL, "");
    row = value_of(answer(bob, "401"), OH_HEADER_WWW_AUTHENTICATE);
    CHECK(w, text_has(row, "realm=\"example.test\""));
    CHECK(w, text_has(row, "nonce=\""));
    CHECK(w, text_has(row, "qop=\"auth\""));
    CHECK(w, text_has(row, "algorithm=MD5") || !text_has(row, "algorithm"));
    CHECK(w, !text_has(row, "stale=\""));
}

/* Both forms of what others write. */
static void quotes_of_others(struct world *w)
{
    static const char *const formats[] = {
        "Authorization: Digest username=\"bob\", realm=\"example.test\", nonce=\"%s\", "
        "uri=\"sip:example.test\", response=\"%s\", algorithm=MD5, qop=auth, nc=00000001, "
        "cnonce=\"0a4f113b\"\n",
        "Authorization: Digest username=\"bob\",realm=\"example.test\",nonce=\"%s\","
        "uri=\"sip:example.test\",response=\"%s\",algorithm=\"MD5\",qop=\"auth\",nc=00000001,"
        "cnonce=\"0a4f113b\"\n",
        "Authorization: digest  QOP=auth , cnonce=\"0a4f113b\" ,nc=00000001, nonce=\"%s\",\n"
        " uri=\"sip:example.test\", Response=\"%s\", username=\"b\\ob\", realm=\"example.test\", "
        "x=\"unknown, and more\"\n",
    };
    struct peer *bob = peer_new(w, PHONE, "bob");

    accounts(w);
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const struct oh_msg *m;
        struct oh_credentials c;
        char hex[OH_HASH_HEX_MAX], rows[1024];

        registers(bob, "bob", "-first", 1, NULL, "");
        m = answer(bob, "401");
        credentials(w, m, &(struct digest){REGISTERING}, &c, hex);
        snprintf(rows, sizeof rows, formats[i], text_of(c.nonce), text_of(c.response));
        CHECK_SAY(w, try(bob, i + 1, rows)->status == 200, "form %u was refused", i);
    }
}

static void uri_of_credentials(struct world *w)
{
    static const struct {
        const char *uri;
        unsigned code;
    } list[] = {{"sip:example.test", 200},     {"sip:example.test;transport=udp", 200},
                {"sip:192.0.2.1", 200},        {"sip:bob@example.test", 200},
                {"sip:elsewhere.test", 401},   {"sip:192.0.2.77", 401},
                {"http://example.test/", 401}, {"", 401}};
    struct peer *bob = peer_new(w, PHONE, "bob");

    accounts(w);
    for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
        struct digest d = {REGISTERING};
        unsigned got;

        d.uri = list[i].uri;
        registers(bob, "bob", "-first", 1, NULL, "");
        got = try(bob, i + 1, row_for(w, answer(bob, "401"), &d))->status;
        CHECK_SAY(w, got == list[i].code || (list[i].code == 401 && got == 400), "uri=\"%s\" is %u",
                  list[i].uri, got);
    }
}

/* ---- nonces ---- */

static bool stale(struct world *w, const struct oh_msg *m)
{
    struct oh_challenge c;

    CHECK_SAY(w, m->status == 401 || m->status == 407, "%u instead of a challenge", m->status);
    decode(w, m, 0, &c);
    return c.stale;
}

static void nc_once(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m, *again;
    struct oh_challenge old, new;

    accounts(w);
    m = challenge_of(bob);
    CHECK(w, !stale(w, m));
    CHECK(w, try(bob, 1, row_for(w, m, &(struct digest){REGISTERING}))->status == 200);
    CHECK(w, try(bob, 2, row_for(w, m, &(struct digest){REGISTERING, .nc = 2}))->status == 200);
    again = try(bob, 3, row_for(w, m, &(struct digest){REGISTERING, .nc = 2}));
    CHECK(w, stale(w, again));
    decode(w, m, 0, &old);
    decode(w, again, 0, &new);
    CHECK(w, !oh_span_eq(old.nonce, new.nonce));
    CHECK(w, try(bob, 4, row_for(w, again, &(struct digest){REGISTERING}))->status == 200);
}

static void nonce_life(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    m = challenge_of(bob);
    world_run(w, 59000);
    CHECK(w, try(bob, 1, row_for(w, m, &(struct digest){REGISTERING}))->status == 200);
    world_run(w, 2000);
    CHECK(w, stale(w, try(bob, 2, row_for(w, m, &(struct digest){REGISTERING, .nc = 2}))));
}

static void wrong_is_not_stale(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m;

    accounts(w);
    m = challenge_of(bob);
    world_run(w, 400000);
    m = try(bob, 1, row_for(w, m, &(struct digest){REGISTERING, .password = "guessed"}));
    CHECK(w, !stale(w, m));
    CHECK(w, told(w, "wrong password"));
}

static void invented_nonce(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    const struct oh_msg *m = try(bob, 1,
                                 "Authorization: Digest username=\"bob\", realm=\"example.test\", "
                                 "nonce=\"0123456789abcdef\", uri=\"sip:example.test\", "
                                 "response=\"00000000000000000000000000000000\"\n");

    CHECK(w, m->status == 401);
}

/* ---- ACK, CANCEL, and inside of dialogs ---- */

static void ack_and_cancel(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = NULL;
    struct peer_dialog d;
    const struct oh_msg *m;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "one");
    peer_reply(bob, peer_expect(bob, "INVITE"), 200, "");
    m = peer_expect(alice, "200 INVITE");
    /* Its nonce is too old by now; nobody looks at it. */
    world_run(w, 1000);
    peer_ack(alice, m);
    peer_expect(bob, "ACK");
    peer_dialog_caller(alice, m, &d);
    world_run(w, 400000);
    peer_dialog_request(alice, &d, "BYE", "");
    peer_reply(bob, peer_expect(bob, "BYE"), 200, "");
    peer_expect(alice, "200 BYE");

    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "two");
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180");
    peer_cancel(alice, "");
    peer_expect(alice, "200 CANCEL");
    peer_reply(bob, peer_expect(bob, "CANCEL"), 200, "");
    peer_reply(bob, m, 487, "");
    peer_ack(alice, peer_expect(alice, "487"));
    CHECK(w, peer_count(alice, "407") == 2);
}

static void stray_ack_and_cancel(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice");

    accounts(w);
    ASK(alice, .method = "ACK", .uri = "sip:bob@example.test", .to_tag = "t");
    peer_none(alice, "", 5000);
    ASK(alice, .method = "CANCEL", .uri = "sip:bob@example.test");
    answer(alice, "481");
}

static void needs_credentials(struct world *w)
{
    static const char *const methods[] = {"INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH",
                                          "REFER",  "OPTIONS", "NOTIFY",    "BREW"};
    static const char *const inside[] = {"BYE", "INFO", "UPDATE", "PRACK", "INVITE"};
    struct peer *mallory = peer_new(w, CALLER, "alice"), *bob;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    for (unsigned i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        ASK(mallory, .method = methods[i], .uri = "sip:bob@example.test", .rows = "Event: x\n");
        answer(mallory, "407");
    }
    for (unsigned i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        ASK(mallory, .method = inside[i], .uri = "sip:bob@example.test", .to_tag = "guessed");
        const struct oh_msg *m = answer(mallory, "4xx");

        CHECK_SAY(w, m->status == 407 || m->status == 481, "%s is %u", inside[i], m->status);
    }
    ASK(mallory, .method = "OPTIONS", .uri = "sip:example.test");
    answer(mallory, "200");
    CHECK(w, peer_count(bob, "") == 2); /* of its own registration */
}

/* ---- state, secrets, guesses ---- */

static void challenges_cost_nothing(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice");
    struct oh__serve_stats stats;
    size_t before = 0;

    accounts(w);
    for (unsigned i = 0; i < 1000; i++) {
        ASK(alice, .method = i % 2 ? "INVITE" : "MESSAGE", .uri = "sip:bob@example.test");
        peer_expect(alice, "407");
        if (i == 99) /* by now every shard has the scratch memory that it works with */
            before = server_bytes(w);
    }
    server_stats(w, &stats);
    CHECK(w, stats.contexts == 0);
    CHECK(w, server_idle(w));
    CHECK_SAY(w, server_bytes(w) <= before, "%zu bytes more", server_bytes(w) - before);
    peer_none(alice, "407", 40000); /* nothing is repeated: there is no transaction */
}

/* A reply without what differs between any two. */
static const char *shape_of(const struct oh_msg *m)
{
    struct oh_challenge c;
    char text[2048];
    size_t n = 0;

    oh_challenge_decode(oh_msg_value(m, OH_HEADER_WWW_AUTHENTICATE), &c, NULL);
    n += (size_t)snprintf(text, sizeof text, "%.*s|", OH_PRI(m->start));
    for (unsigned i = 0; i < m->rows_n && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*s|",
                              OH_PRI(oh_row_name(m, &m->rows[i])));
    if (n < sizeof text)
        snprintf(text + n, sizeof text - n, "%.*s %zu %d %d", OH_PRI(c.realm), c.nonce.n, c.stale,
                 c.qop);
    return text_of(oh_span_str(text));
}

static void unknown_looks_like_wrong(struct world *w)
{
    static const char *const names[] = {"bob", "nobody", "gone"};
    const char *shapes[3];
    struct peer *p = peer_new(w, PHONE, "bob");

    accounts(w);
    for (unsigned i = 0; i < 3; i++) {
        struct digest d = {REGISTERING, .password = "guessed"};

        d.user = names[i];
        registers(p, names[i], "", 1, NULL, "");
        const char *row = row_for(w, answer(p, "401"), &d);

        registers(p, names[i], "", 2, NULL, row);
        shapes[i] = shape_of(answer(p, "401"));
    }
    CHECK_SAY(w, strcmp(shapes[0], shapes[1]) == 0, "%s\nbut %s", shapes[0], shapes[1]);
    CHECK_SAY(w, strcmp(shapes[0], shapes[2]) == 0, "%s\nbut %s", shapes[0], shapes[2]);
}

/* The key that the server hashes with for names that nobody has is no way in. */
static void nobody_has_no_key(struct world *w)
{
    static const char zeros[] = "00000000000000000000000000000000";
    struct peer *p = peer_new(w, PHONE, "nobody");
    struct digest d = {REGISTERING, .ha1 = zeros};

    accounts(w);
    d.user = "nobody";
    registers(p, "nobody", "", 1, NULL, "");
    registers(p, "nobody", "", 2, NULL, row_for(w, answer(p, "401"), &d));
    answer(p, "401");
    d.user = "gone";
    registers(p, "gone", "", 1, NULL, "");
    registers(p, "gone", "", 2, NULL, row_for(w, answer(p, "401"), &d));
    answer(p, "401");
}

static void unknown_callee_is_not_told(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice");

    accounts(w);
    ASK(alice, .method = "INVITE", .uri = "sip:nobody@example.test");
    answer(alice, "407");
    ASK(alice, .method = "INVITE", .uri = "sip:gone@example.test");
    answer(alice, "407");
}

static void forbidden_only_when_known(struct world *w)
{
    struct peer *barred = peer_new(w, CALLER, "barred");

    accounts(w);
    phone(w, PHONE, "bob");
    ASK(barred, .method = "INVITE", .uri = "sip:bob@example.test");
    answer(barred, "407");
    ask_as(
        barred, "barred", "guessed",
        &(struct peer_request){.method = "INVITE", .uri = "sip:bob@example.test", .call = "guess"});
    answer(barred, "407");
    ASK_AS(barred, "barred", .method = "INVITE", .uri = "sip:bob@example.test", .call = "real");
    answer(barred, "403");
    CHECK(w, told(w, "may not call out"));
}

/* abuse.failures = 5: the sixth guess is the last one that is answered. */
#define GUARDED CLOSED "abuse = { failures = 5, window = '1 min', ban = '2 min' }\n"

static void locked_out(struct world *w)
{
    struct peer *mallory = peer_new(w, CALLER, "bob"), *bob = NULL;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    const struct oh_msg *m = challenge_of(mallory);

    for (unsigned i = 0; i < 20; i++) {
        struct digest d = {REGISTERING, .password = "guessed", .nc = i + 1};

        registers(mallory, "bob", "-guess", i + 1, NULL, row_for(w, m, &d));
        world_settle(w);
    }
    CHECK_SAY(w, peer_count(mallory, "401") <= 8, "%u guesses were answered",
              peer_count(mallory, "401"));
    peer_forget(mallory);
    /* From now on silence for this source, whoever it says to be; others are served. */
    ASK(mallory, .method = "OPTIONS", .uri = "sip:example.test");
    peer_none(mallory, "", 10000);
    ASK(bob, .method = "OPTIONS", .uri = "sip:example.test");
    answer(bob, "200");
    world_run(w, 120000);
    ASK(mallory, .method = "OPTIONS", .uri = "sip:example.test");
    answer(mallory, "200");
}

/* Decision 13: being registered is no licence to guess at others, and costs others nothing. */
static void registered_guesser(struct world *w)
{
    struct digest right = {REGISTERING, .nc = 100};
    struct peer *alice, *bob;
    const struct oh_msg *m;

    accounts(w);
    alice = phone(w, CALLER, "alice");
    bob = phone(w, PHONE, "bob");
    m = challenge_of(alice);
    for (unsigned i = 0; i < 20; i++) {
        struct digest d = {REGISTERING, .password = "guessed", .nc = i + 1};

        registers(alice, "bob", "-guess", i + 1, NULL, row_for(w, m, &d));
        world_settle(w);
    }
    CHECK_SAY(w, peer_count(alice, "401") <= 8, "%u guesses were answered",
              peer_count(alice, "401"));
    registers(alice, "bob", "-guess", 100, NULL, row_for(w, m, &right));
    peer_forget(alice);
    peer_none(alice, "", 10000);
    ASK(alice, .method = "OPTIONS", .uri = "sip:example.test");
    answer(alice, "200");
    m = challenge_of(bob);
    CHECK(w, try(bob, 50, row_for(w, m, &(struct digest){REGISTERING}))->status == 200);
}

static void anonymous(struct world *w)
{
    struct peer *bob = peer_new(w, PHONE, "bob");
    struct digest d = {REGISTERING, .password = ""};
    const struct oh_msg *m;

    accounts(w);
    d.user = "anonymous";
    m = challenge_of(bob);
    CHECK(w, try(bob, 1, row_for(w, m, &d))->status == 401);
    d.user = "bob";
    CHECK(w, try(bob, 2, row_for(w, m, &d))->status == 401);
}

static void challenges_of_others(struct world *w)
{
    static const char row[] =
        "Proxy-Authenticate: Digest  realm=\"far\",nonce=\"x y\", qop=\"a,b\"";
    static const char own[] = "WWW-Authenticate: NewScheme a=b";
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = phone(w, PHONE, "bob");
    char rows[256];
    const struct oh_msg *m;

    snprintf(rows, sizeof rows, "%s\n%s\n", row, own);
    ASK(alice, .method = "INVITE", .uri = "sip:bob@example.test",
        .rows = "Authorization: Digest username=\"alice\", realm=\"far\",nonce=\"n\"\n"
                "Proxy-Authorization: Digest realm=\"other\" ,username=\"a\"\n");
    m = peer_expect(bob, "INVITE");
    CHECK(w, message_has(m, "\r\nAuthorization: Digest username=\"alice\", realm=\"far\","
                            "nonce=\"n\"\r\n"));
    CHECK(w, message_has(m, "\r\nProxy-Authorization: Digest realm=\"other\" ,username=\"a\"\r\n"));
    peer_reply(bob, m, 407, rows);
    m = answer(alice, "407");
    CHECK(w, message_has(m, row) && message_has(m, own));
    CHECK(w, message_rows(m, OH_HEADER_PROXY_AUTHENTICATE) == 1);
}

/* ---- hard limits ---- */

/* An OPTIONS to the server with this text in it. */
static const struct oh_msg *with(struct peer *p, const char *uri, const char *rows, size_t repeat)
{
    size_t n = strlen(rows);
    char *all = calloc(repeat * n + 1, 1);

    for (size_t i = 0; i < repeat && all; i++)
        memcpy(all + i * n, rows, n);
    ASK(p, .method = "OPTIONS", .uri = uri, .rows = all);
    free(all);
    return peer_expect(p, "");
}

static void hard_limits(struct world *w)
{
    struct peer *p = peer_new(w, CALLER, "alice");
    static char uri[3000], line[40000];
    const struct oh_msg *m;

    peer_connect(p);
    CHECK(w, with(p, "sip:example.test", "X: y\n", 200)->status == 200);
    m = with(p, "sip:example.test", "X: y\n", 300);
    CHECK_SAY(w, m->status == 513 || m->status == 400, "300 rows are %u", m->status);
    snprintf(uri, sizeof uri, "sip:example.test;%01100u=1", 7);
    m = with(p, uri, "", 0);
    CHECK_SAY(w, m->status == 414, "a URI of 1,000 bytes is %u", m->status);
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "X: ", 3);
    line[sizeof line - 2] = '\n';
    m = with(p, "sip:example.test", line, 1);
    CHECK_SAY(w, m->status == 513 || m->status == 400, "a row of 40 kB is %u", m->status);
    /* Depth: comments within comments in a header that is looked at by nobody. */
    CHECK(w,
          with(p, "sip:example.test", "User-Agent: ((((((((((((((((((((x))))))))))))))))))))\n", 1)
                  ->status == 200);
}

/* Names, passwords and addresses of ours stay out of what others read. */
static void reasons_are_plain(struct world *w)
{
    struct peer *alice = peer_new(w, CALLER, "alice"), *bob = NULL;
    struct oh__decision d;

    accounts(w);
    bob = phone(w, PHONE, "bob");
    ask_as(bob, "bob", "guessed",
           &(struct peer_request){.method = "REGISTER", .uri = "sip:example.test", .call = "r"});
    CHECK(w, oh_span_eq(answer(bob, "401")->reason, OH_LIT("Unauthorized")));
    ASK_AS(alice, "alice", .method = "INVITE", .uri = "sip:bob@example.test", .call = "from-bob",
           .from = "sip:bob@example.test");
    CHECK(w, oh_span_eq(answer(alice, "403")->reason, OH_LIT("Forbidden")));
    /* What strangers write ends on the administrator's terminal. */
    ASK(alice, .method = "REGISTER", .uri = "sip:example.test", .to = "sip:alice@example.test",
        .call = "log", .rows = "User-Agent: \x1b[2J\x07 evil\n");
    const struct oh_msg *m = answer(alice, "401");
    char rows[2048];

    snprintf(rows, sizeof rows, "User-Agent: \x1b[2J\x07 evil\n%s",
             peer_authorize(alice, m, "a\x1b[31m\tb", "x", "REGISTER", "sip:example.test"));
    ASK(alice, .method = "REGISTER", .uri = "sip:example.test", .to = "sip:alice@example.test",
        .call = "log", .cseq = 2, .rows = rows);
    answer(alice, "401");
    CHECK(w, server_decision(w, &d));
    CHECK(w, text_has(d.agent, "?[2J? evil"));
    for (const char *text = d.why; *text; text++)
        CHECK(w, (unsigned char)*text >= 0x20 && *text != 0x7f);
    for (const char *text = d.agent; *text; text++)
        CHECK(w, (unsigned char)*text >= 0x20 && *text != 0x7f);
}

static const struct conformance_case cases[] = {
    CASE("AUT-001", "Basic is neither offered nor accepted", no_basic, .lua = CLOSED),
    CASE("AUT-002", "401 from registrar and server, 407 from the proxy", which_code, .lua = CLOSED),
    CASE("AUT-003", "one MD5 challenge by default", one_md5_by_default, .lua = CLOSED),
    CASE("AUT-003", "one challenge per algorithm, preferred first", preferred_first, .lua = TWO),
    CASE("AUT-003", "only what was offered is accepted", only_what_was_offered, .lua = SHA_ONLY),
    CASE("AUT-002", "each domain has its realm", realm_of_each_domain, .lua = DOMAINS),
    CASE("AUT-005", "answers with and without qop, of every kind", ways_to_answer,
         .lua = CLOSED "abuse = { failures = 0 }\n"),
    CASE("AUT-006", "quotes in our challenges", quotes_of_ours, .lua = CLOSED),
    CASE("AUT-006", "both forms of quoting in answers", quotes_of_others, .lua = CLOSED),
    CASE("AUT-007", "credentials for another server are no good", uri_of_credentials,
         .lua = CLOSED),
    CASE("AUT-008", "a nonce count is good once", nc_once, .lua = CLOSED),
    CASE("AUT-008", "a nonce has an end", nonce_life,
         .lua = CLOSED "abuse = { nonce_life = '1 min' }\n"),
    CASE("AUT-008", "a wrong password is not called stale", wrong_is_not_stale, .lua = CLOSED),
    CASE("AUT-008", "an invented nonce is challenged", invented_nonce, .lua = CLOSED),
    CASE("AUT-009 PRX-007", "ACK and CANCEL are never challenged", ack_and_cancel, .lua = CLOSED),
    CASE("AUT-009", "nor when they belong to nothing", stray_ack_and_cancel, .lua = CLOSED),
    CASE("AUT-012", "challenges leave nothing behind", challenges_cost_nothing, .lua = CLOSED),
    CASE("AUT-013", "an unknown user looks like a wrong password", unknown_looks_like_wrong,
         .lua = CLOSED),
    CASE("AUT-013", "who does not exist has no password at all", nobody_has_no_key, .lua = CLOSED),
    CASE("AUT-013", "who exists is not told to strangers", unknown_callee_is_not_told,
         .lua = CLOSED),
    CASE("AUT-014 PRX-008", "403 only after the right password", forbidden_only_when_known,
         .lua = CLOSED),
    CASE("AUT-014", "who guesses is met with silence for a while", locked_out, .lua = GUARDED),
    CASE("AUT-014", "a registered source cannot guess at others for ever", registered_guesser,
         .lua = GUARDED),
    CASE("AUT-015 PRX-007", "challenges and credentials of others pass", challenges_of_others),
    CASE("AUT-016", "nobody gets in without a password", anonymous, .lua = CLOSED),
    CASE("AUT-017 PRX-054", "who is asked for a password", needs_credentials, .lua = CLOSED),
    CASE("SEC-004", "rows, lines and URIs have hard limits", hard_limits),
    CASE("SEC-006", "reasons and decisions show nothing that they should not", reasons_are_plain,
         .lua = CLOSED),
};

CONFORMANCE_CHAPTER(auth, cases);
