#define _GNU_SOURCE
/*
 * What bytes mean to whom they are handed on: text that breaks out of a
 * document, strangers who are believed, credentials that are not checked, and
 * bytes of other protocols.
 */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include <offhook/error.h>

#include "host/control_json.h"
#include "host/log.h"
#include "sim/parts.h"
#include "wounds.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- escaping ---- */

/* Text that ends a string, a line, a document, or a terminal's patience. */
static const struct oh_span nasty[] = {
    OH_LIT("'); DROP TABLE accounts; --"),
    OH_LIT("\"},{\"ok\":true"),
    OH_LIT("a\\"),
    OH_LIT("</tuple><script>&amp;"),
    OH_LIT("%00%0d%0aContact:%20<sip:x>"),
    OH_LIT("\x1b]0;title\x07\x1b[2J"),
    OH_LIT("\xf0\x9f\x93\x9e\xf0\x9f\x93"),
    OH_LIT("\xc0\xaf\xed\xa0\x80\xff"),
    OH_LIT("a\nts=1 level=error event=forged"),
    OH_LIT("a\r\nVia: SIP/2.0/UDP 192.0.2.9"),
    OH_LIT("${jndi:ldap://x}`id`$(id)|id;%s%n"),
};

static int same_account(void *ctx, const struct oh__account_row *row)
{
    const struct oh_span *want = ctx;

    return oh_span_eq(row->name, *want) && oh_span_eq(row->user, OH_LIT("'); --")) ? 7 : 8;
}

/* SQL: what went in comes out, and nothing else happens. */
static void into_the_store(struct world *w)
{
    for (size_t i = 0; i < N(nasty); i++) {
        struct oh__store_options options = {.workers = 1};
        struct oh__account_row row = {.user = OH_LIT("'); --"),
                                      .domain = OH_LIT("' OR 1=1 --"),
                                      .auth_name = nasty[i],
                                      .realm = nasty[i],
                                      .name = nasty[i]};
        char why[OH__STORE_WHY] = "";
        struct oh__store *s;

        CHECK(w, oh__store_open(&options, &s, why) == OH_OK);
        CHECK(w, oh__store_accounts_put(s, &row, 1, why) == OH_OK);
        CHECK(w, oh__store_accounts_each(s, same_account, (void *)(uintptr_t)&nasty[i]) == 7);
        CHECK(w, oh__store_account_remove(s, OH_LIT("x' OR '1'='1"), row.domain, 0, why) ==
                     OH_E_ABSENT);
        CHECK(w, oh__store_accounts_each(s, same_account, (void *)(uintptr_t)&nasty[i]) == 7);
        oh__store_close(s);
    }
}

/* JSON: each text stays one string, and what cannot be one is mended. */
static void into_json(struct world *w)
{
    for (size_t i = 0; i < N(nasty); i++) {
        json_t *object = json_object(), *back;
        char *text;

        CHECK(w, json_object_set_new(object, "name", oh__json_text(nasty[i])) == 0);
        CHECK(w, json_object_set_new(object, "after", json_true()) == 0);
        text = json_dumps(object, JSON_COMPACT);
        CHECK(w, text && !strchr(text, '\n') && !strchr(text, '\x1b'));
        back = json_loads(text, 0, NULL);
        CHECK(w, back && json_object_size(back) == 2);
        CHECK(w, json_string_length(json_object_get(back, "name")) == nasty[i].n);
        free(text);
        json_decref(back);
        json_decref(object);
    }
}

/* The log: one line per event, whatever a stranger is called. */
static void into_the_log(struct world *w)
{
    char path[] = "/tmp/offhook-wounds-XXXXXX", text[16384];
    int fd = mkstemp(path);
    struct oh__log *log;
    unsigned lines = 0;
    size_t n;
    FILE *f;

    CHECK(w, fd >= 0 && oh__log_open(path, OH__LOG_INFO, &log) == OH_OK);
    for (size_t i = 0; i < N(nasty); i++)
        oh__log_say(log, OH__LOG_INFO, "name", "%.*s", OH_PRI(nasty[i]));
    oh__log_close(log);
    f = fdopen(fd, "r");
    n = f ? fread(text, 1, sizeof text, f) : 0;
    for (size_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
        CHECK_SAY(w, text[i] == '\n' || (unsigned char)text[i] >= 32, "byte %d in the log",
                  text[i]);
    }
    if (f)
        fclose(f);
    remove(path);
    CHECK_SAY(w, lines == N(nasty), "%u lines of %zu", lines, N(nasty));
    CHECK(w, n > 0 && !memmem(text, n, "\nts=1 ", 6));
}

/* Nothing that a terminal would obey. */
static void is_plain(struct world *w, const char *text)
{
    for (const char *c = text; *c; c++)
        CHECK_SAY(w, (unsigned char)*c >= 32 && *c != 127, "byte %d in what a person is shown", *c);
}

/* Where a text may stand in a call to somebody who does not exist. */
enum place { USER, PARAMETER, DISPLAY, CALL_ID, AGENT, SUBJECT, PLACES };

/* A call with the text in one place, and something harmless in all others. */
static size_t write_call(char *out, size_t cap, unsigned number, enum place place,
                         struct oh_span text)
{
    struct oh_span at[PLACES];

    for (unsigned i = 0; i < PLACES; i++)
        at[i] = i == (unsigned)place ? text : OH_LIT("x");
    return (size_t)snprintf(out, cap,
                            "INVITE sip:%.*s@example.test;p=%.*s SIP/2.0\r\n"
                            "Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKn%u\r\n"
                            "Max-Forwards: 70\r\n"
                            "From: \"%.*s\" <sip:%%0d%%0a%%1b@example.test>;tag=1\r\n"
                            "To: <sip:nobody@example.test>\r\nCall-ID: %u%.*s\r\n"
                            "CSeq: 1 INVITE\r\nUser-Agent: %.*s\r\nSubject: %.*s\r\n"
                            "Content-Length: 0\r\n\r\n",
                            OH_PRI(at[USER]), OH_PRI(at[PARAMETER]), number, OH_PRI(at[DISPLAY]),
                            number, OH_PRI(at[CALL_ID]), OH_PRI(at[AGENT]), OH_PRI(at[SUBJECT]));
}

/* What a person is told of a call: every call in every form is told, and nothing in it harms. */
static void into_sentences(struct world *w)
{
    struct victims v;
    struct oh__decision d;
    char text[2048];
    unsigned number = 0;
    uint64_t told = 0;

    victims_make(w, &v);
    for (size_t i = 0; i < N(nasty); i++)
        for (unsigned place = 0; place < PLACES; place++) {
            size_t n = write_call(text, sizeof text, ++number, (enum place)place, nasty[i]);

            attack(w, &v, oh_span(text, n));
            if (!server_decision(w, &d))
                continue;
            told = d.seq;
            is_plain(w, d.why);
            is_plain(w, d.fix);
            is_plain(w, d.agent);
            is_plain(w, d.account);
            is_plain(w, d.target);
            is_plain(w, d.call_id);
            CHECK_SAY(w, !strstr(d.fix, "DROP TABLE") && !strstr(d.fix, "$(id)"),
                      "a command that a person may paste has a stranger's words: %s", d.fix);
        }
    CHECK_SAY(w, told > number / 2, "only %u of %u calls were told", (unsigned)told, number);
    still_serves(w, &v);
}

/* ---- strangers ---- */

static void strangers_get_nothing(struct world *w)
{
    static const char *const methods[] = {"INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER",
                                          "INFO",   "NOTIFY",  "UPDATE",    "PRACK",   "BREW"};
    static const char *const targets[] = {"sip:bob@example.test", "sip:bob@192.0.2.20:5060",
                                          "sip:x@abroad.example", "tel:+15550100"};
    struct victims v;
    size_t before;

    accounts(w);
    victims_make(w, &v);
    network_name(w, "abroad.example", "192.0.2.99");
    peer_new(w, "192.0.2.99:5060", "abroad");
    before = server_bytes(w);
    for (size_t i = 0; i < N(methods); i++)
        for (size_t k = 0; k < N(targets); k++) {
            const struct oh_msg *m;

            peer_forget(v.mallory);
            ASK(v.mallory, .method = methods[i], .uri = targets[k],
                .rows = "Event: presence\n"
                        "Refer-To: <sip:bob@example.test>\n",
                .contact = "<sip:m@192.0.2.66>");
            world_run(w, 2000);
            m = peer_last(v.mallory, "");
            CHECK_SAY(w, m && m->status >= 400, "%s %s of a stranger: %u", methods[i], targets[k],
                      m ? m->status : 0);
            CHECK_SAY(w, peer_count(v.bob, methods[i]) == 0, "a stranger's %s has reached bob",
                      methods[i]);
        }
    ASK(v.mallory, .method = "REGISTER", .uri = "sip:example.test", .to = "sip:bob@example.test");
    peer_expect(v.mallory, "401");
    CHECK(w, server_bindings(w, "bob@example.test") == 1);
    world_run(w, 300000);
    CHECK_SAY(w, server_bytes(w) <= before + 100000, "%zu bytes are kept of strangers",
              server_bytes(w) - before);
}

/* ---- credentials ---- */

/* An answer to the newest challenge with something replaced; the REGISTER must not be believed. */
static void forged(struct world *w, struct victims *v, const char *what, const char *with)
{
    const struct oh_msg *m;
    char rows[2048];
    const char *honest, *at;

    ASK(v->mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "forged",
        .from = "sip:alice@example.test", .to = "sip:alice@example.test");
    m = peer_expect(v->mallory, "401");
    honest = peer_authorize(v->mallory, m, "alice", password_of("alice"), "REGISTER",
                            "sip:example.test");
    at = strstr(honest, what);
    CHECK_SAY(w, at != NULL, "no %s in %s", what, honest);
    snprintf(rows, sizeof rows, "%.*s%s%s", (int)(at - honest), honest, with, at + strlen(what));
    ASK(v->mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "forged", .cseq = 2,
        .from = "sip:alice@example.test", .to = "sip:alice@example.test", .rows = rows);
    m = peer_expect(v->mallory, "");
    CHECK_SAY(w, m->status == 401 || m->status == 400 || m->status == 403,
              "%u with %s instead of %s", m->status, with, what);
    CHECK(w, server_bindings(w, "alice@example.test") == 0);
    peer_forget(v->mallory);
}

#define PATIENT CLOSED "abuse = { failures = 0 }\n"

static void forged_credentials(struct world *w)
{
    static const char *const swaps[][2] = {
        {"username=\"alice\"", "username=\"bob\""},
        {"username=\"alice\"", "username=\"nobody\""},
        {"username=\"alice\"", "username=\"\""},
        {"nonce=\"", "nonce=\"x"},
        {"realm=\"example.test\"", "realm=\"other.test\""},
        {"uri=\"sip:example.test\"", "uri=\"sip:other.test\""},
        {"uri=\"sip:example.test\"", "uri=\"\""},
        {"response=\"", "response=\"0"},
        {"response=\"", "response=\"\", x=\""},
        {"nc=00000001", "nc=00000002"},
        {"nc=00000001", "nc=0000000g"},
        {"qop=auth", "qop=auth-int"},
        {"qop=auth", "qop=other"},
        {"algorithm=MD5", "algorithm=SHA-256"},
        {"algorithm=MD5", "algorithm=MD5-sess"},
        {"algorithm=MD5", "algorithm=none"},
    };
    struct victims v;

    accounts(w);
    victims_make(w, &v);
    for (size_t i = 0; i < N(swaps); i++)
        forged(w, &v, swaps[i][0], swaps[i][1]);
}

/* Credentials that are right to the last digit, but for another server: he who got them there by
 * a challenge of ours must not be believed here (RFC 7616 3.4.6). */
static void credentials_for_another_server(struct world *w)
{
    static const char *const uris[] = {"sip:other.test", "sip:alice@other.test", "sips:x.test",
                                       "http://example.test/"};
    struct victims v;
    const struct oh_msg *m;
    char rows[2048];

    accounts(w);
    victims_make(w, &v);
    for (size_t i = 0; i < N(uris); i++) {
        ASK(v.mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "elsewhere",
            .from = "sip:alice@example.test", .to = "sip:alice@example.test");
        m = peer_expect(v.mallory, "401");
        snprintf(rows, sizeof rows, "%s",
                 peer_authorize(v.mallory, m, "alice", password_of("alice"), "REGISTER", uris[i]));
        ASK(v.mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "elsewhere",
            .cseq = 2, .from = "sip:alice@example.test", .to = "sip:alice@example.test",
            .rows = rows);
        m = peer_expect(v.mallory, "");
        CHECK_SAY(w, m->status >= 400, "%u with credentials for %s", m->status, uris[i]);
        CHECK(w, server_bindings(w, "alice@example.test") == 0);
        peer_forget(v.mallory);
    }
}

/* Good credentials do their work once, for one account, one method and one target. */
static void credentials_of_another_request(struct world *w)
{
    struct victims v;
    const struct oh_msg *m;
    char rows[2048];

    accounts(w);
    victims_make(w, &v);
    ASK(v.alice, .method = "REGISTER", .uri = "sip:example.test", .call = "mine",
        .to = "sip:alice@example.test");
    m = peer_expect(v.alice, "401");
    snprintf(
        rows, sizeof rows, "%s",
        peer_authorize(v.alice, m, "alice", password_of("alice"), "REGISTER", "sip:example.test"));
    ASK(v.alice, .method = "REGISTER", .uri = "sip:example.test", .call = "mine", .cseq = 2,
        .to = "sip:alice@example.test", .rows = rows);
    peer_expect(v.alice, "200");
    /* Mallory has heard them, and repeats them for a Contact of his own. */
    ASK(v.mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "his", .cseq = 3,
        .from = "sip:alice@example.test", .to = "sip:alice@example.test", .rows = rows);
    peer_expect(v.mallory, "401");
    ASK(v.mallory, .method = "REGISTER", .uri = "sip:example.test", .call = "his", .cseq = 4,
        .from = "sip:alice@example.test", .to = "sip:bob@example.test", .rows = rows);
    m = peer_expect(v.mallory, "");
    CHECK(w, m->status == 401 || m->status == 403);
    /* So does somebody behind the same address as alice. */
    ASK(v.alice, .method = "REGISTER", .uri = "sip:example.test", .call = "again", .cseq = 5,
        .to = "sip:alice@example.test", .contact = "<sip:m@192.0.2.66>", .rows = rows);
    peer_expect(v.alice, "401");
    CHECK(w, server_bindings(w, "alice@example.test") == 1);
    CHECK(w, server_bindings(w, "bob@example.test") == 1);
}

/* ---- side doors ---- */

static void other_protocols(struct world *w)
{
    static const struct oh_span bytes[] = {
        OH_LIT(""),
        OH_LIT("\0"),
        OH_LIT("HEP3\x00\x06"),
        OH_LIT("HEP3\x00\x00\x00\x00"),
        OH_LIT("\x02\x10\x02\x11\x13\xc4"),
        OH_LIT("\x00\x01\x00\x00\x21\x12\xa4\x42"
               "012345678901"),
        OH_LIT("\x00\x01\xff\xff\x21\x12\xa4\x42"
               "012345678901"),
        OH_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        OH_LIT("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"),
        OH_LIT("\x81\xfe\xff\xff\x00\x00\x00\x00SIP"),
        OH_LIT("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        OH_LIT("\r\n\r\n\r\n\r\n"),
        OH_LIT("SIP/2.0\r\n\r\n"),
        OH_LIT("SIP/2.0 999999999999 x\r\n\r\n"),
        OH_LIT("OPTIONS * SIP/2.0\r\n\r\n"),
        OH_LIT("jaK\0"),
        OH_LIT("{\"command\":\"stop\"}\n"),
    };
    struct victims v;

    victims_make(w, &v);
    for (size_t i = 0; i < N(bytes); i++) {
        peer_forget(v.mallory);
        if (bytes[i].n)
            attack(w, &v, bytes[i]);
        CHECK_SAY(w, peer_count(v.mallory, "") <= 2, "%u answers to nonsense %zu",
                  peer_count(v.mallory, ""), i);
    }
    still_serves(w, &v);
}

static const struct conformance_case cases[] = {
    CASE("escaping", "SQL", into_the_store),
    CASE("escaping", "JSON", into_json),
    CASE("escaping", "the log", into_the_log),
    CASE("escaping", "sentences for people", into_sentences),
    CASE("strangers", "the defaults give strangers nothing", strangers_get_nothing, .lua = PATIENT),
    CASE("digest", "forged credentials", forged_credentials, .lua = PATIENT),
    CASE("digest", "credentials for another server", credentials_for_another_server,
         .lua = PATIENT),
    CASE("digest", "credentials are good once and for one request", credentials_of_another_request,
         .lua = PATIENT),
    CASE("side doors", "other protocols", other_protocols),
};

CONFORMANCE_CHAPTER(meaning, cases);
