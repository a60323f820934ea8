/*
 * Guessing passwords (decision 13): a registered source at the account of
 * another, one password at many accounts, under a victim's address; and what a
 * banned source may still say.
 */
#include "harness.h"

#include <stdio.h>

#include "store/store.h"

#define URI "sip:example.test"

static int setup(void **state)
{
    struct harness *h = malloc(sizeof(*h));

    harness_init(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    harness_done(*state);
    free(*state);
    return 0;
}

/* Six wrong passwords are one too many. */
static void start(struct harness *h, uint32_t failures_max)
{
    h->settings->failures_max = failures_max;
    harness_start(h);
    harness_account(h, "101", "secret", 0);
    harness_account(h, "102", "other", 0);
}

/* A request of a user for the server's domain. Returns the status; 0: silence. */
static unsigned ask(struct harness *h, const char *method, const char *user, const char *rows)
{
    static unsigned n;

    harness_clear(h);
    n++;
    harness_input(h,
                  "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKg%u\n"
                  "Max-Forwards: 70\nFrom: <sip:%s@example.test>;tag=f1\n"
                  "To: <sip:%s@example.test>\nCall-ID: guess-%s\nCSeq: %u %s\n%s"
                  "Content-Length: 0\n\n",
                  method, URI, n, user, user, user, n, method, rows);
    return harness_code(h);
}

/* Answers the challenge that was sent last; with a Contact. */
static unsigned answer(struct harness *h, const char *user, const char *password)
{
    struct harness_digest d = {
        .user = user, .password = password, .method = "REGISTER", .uri = URI};
    char rows[1024], more[1200];

    harness_authorize(h, &d, rows, sizeof(rows));
    snprintf(more, sizeof(more), "%sContact: <sip:%s@192.0.2.10>\n", rows, user);
    return ask(h, "REGISTER", user, more);
}

/* Asks for a challenge and answers it. */
static unsigned log_in(struct harness *h, const char *user, const char *password)
{
    if (ask(h, "REGISTER", user, "") != 401)
        fail_msg("no challenge but %u", harness_code(h));
    return answer(h, user, password);
}

/* Decision 13: a source with a phone guesses at 102 and gets no answers about 102 from then on, be
 * they right; its own account, and 102 elsewhere, go on. */
static void test_guessing(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;

    start(h, 5);
    assert_int_equal(log_in(h, "101", "secret"), 200);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(log_in(h, "102", "guess"), 401);
        assert_int_equal(log_in(h, "nobody", "guess"), 401);
        /* One's own password does not wipe the slate of the other account. */
        assert_int_equal(log_in(h, "101", "secret"), 200);
    }
    assert_int_equal(log_in(h, "102", "guess"), 0);
    /* The name that nobody has behaves the same: silence does not tell that 102 exists. */
    assert_int_equal(log_in(h, "nobody", "guess"), 0);
    h->flow.peer.port++;
    assert_int_equal(log_in(h, "102", "other"), 0);
    assert_int_equal(h->s->stats.guesses_dropped, 3);
    assert_int_equal(h->s->stats.auth_failed, 12);
    assert_int_equal(log_in(h, "101", "secret"), 200);
    h->flow.peer.ip[3]++;
    assert_int_equal(log_in(h, "102", "other"), 200);
    h->flow.peer.ip[3]--;
    harness_advance(h, 300 * HARNESS_SECOND);
    assert_int_equal(log_in(h, "102", "guess"), 401);
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_AUTH_FAILED);
}

/* It is said once, with the account. */
static void test_said_once(void **state)
{
    struct harness *h = *state;
    struct oh__decision d = {.seq = 0};
    unsigned bans = 0;

    start(h, 5);
    assert_int_equal(log_in(h, "101", "secret"), 200);
    for (int i = 0; i < 12; i++)
        log_in(h, "102", "guess");
    while (oh__decisions_before(h->shared.decisions, d.seq, &d) == OH_OK) {
        if (d.kind == OH__DECISION_BANNED) {
            bans++;
            assert_non_null(strstr(d.why, "wrong passwords for 102@example.test"));
        }
        if (d.seq == 1)
            break;
    }
    assert_int_equal(bans, 1);
}

/* Behind one NAT with the guesser: the victim's phone, known by address and port, is not hurt. */
static void test_beside(void **state)
{
    struct harness *h = *state;

    start(h, 5);
    assert_int_equal(log_in(h, "102", "other"), 200);
    h->flow.peer.port = 61000;
    for (int i = 0; i < 6; i++)
        assert_int_equal(log_in(h, "102", "guess"), 401);
    assert_int_equal(log_in(h, "102", "other"), 0);
    h->flow.peer.port = 5060;
    assert_int_equal(log_in(h, "102", "other"), 200);
}

/* One password for account after account: the source keeps its own and loses the others. */
static void test_spraying(void **state)
{
    struct harness *h = *state;
    struct oh__decision d;
    char user[16];

    start(h, 2);
    assert_int_equal(log_in(h, "101", "secret"), 200);
    for (int i = 0; i <= 32; i++) {
        snprintf(user, sizeof(user), "x%d", i);
        assert_int_equal(log_in(h, user, "1234"), 401);
    }
    assert_true(harness_decision(h, &d));
    assert_int_equal(d.kind, OH__DECISION_BANNED);
    assert_non_null(strstr(d.why, "many accounts"));
    assert_int_equal(log_in(h, "x99", "1234"), 0);
    assert_int_equal(log_in(h, "102", "other"), 0);
    h->flow.peer.port = 61000;
    assert_int_equal(log_in(h, "101", "secret"), 200);
    h->flow.peer.ip[3]++;
    assert_int_equal(log_in(h, "102", "other"), 200);
}

/* failures = 0: nobody is ever refused. */
static void test_never(void **state)
{
    struct harness *h = *state;

    start(h, 0);
    assert_int_equal(log_in(h, "101", "secret"), 200);
    for (int i = 0; i < 100; i++)
        assert_int_equal(log_in(h, "102", "guess"), 401);
    assert_false(oh__guard_has_guesses(h->shared.guard));
}

/* Whoever writes a victim's address into his datagrams has no nonce that counts there. */
static void test_moved(void **state)
{
    struct harness *h = *state;

    start(h, 5);
    for (int i = 0; i < 20; i++) {
        h->flow = harness_flow(OH_TRANSPORT_UDP, "203.0.113.9:5060", 0);
        ask(h, "REGISTER", "101", "");
        h->flow = harness_flow(OH_TRANSPORT_UDP, "192.0.2.10:5060", 0);
        if (i % 2) /* an old one counts for no more */
            harness_advance(h, 400 * HARNESS_SECOND);
        assert_int_equal(answer(h, "101", "guess"), 401);
        assert_true(harness_has(h, "stale=true"));
    }
    assert_int_equal(h->s->stats.auth_failed, 0);
    /* A phone that has moved answers once more, and is in. */
    assert_int_equal(answer(h, "101", "secret"), 200);
}

/* A banned source gets silence whatever it sends, malformed messages included. */
static void test_ban_is_silent(void **state)
{
    static const char *const methods[] = {"REGISTER", "OPTIONS", "INVITE", "MESSAGE",
                                          "BYE",      "NOVEL",   "CANCEL"};
    const unsigned n = sizeof(methods) / sizeof(methods[0]);
    struct harness *h = *state;

    start(h, 5);
    for (int i = 0; i < 6; i++)
        log_in(h, "101", "guess");
    for (unsigned i = 0; i < n; i++) {
        ask(h, methods[i], "102", "");
        if (h->sends_n)
            fail_msg("%s was answered", methods[i]);
    }
    assert_int_equal(h->s->stats.banned_dropped, n);
    harness_input(h, "INVITE sip:102@example.test SIP/2.0\n"
                     "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKbad\nCSeq: none\n\n");
    assert_int_equal(h->sends_n, 0);
    assert_int_equal(h->s->stats.banned_dropped, n + 1);
    h->flow.peer.ip[3]++;
    assert_int_equal(ask(h, "CANCEL", "102", ""), 481);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_guessing), TEST(test_said_once), TEST(test_beside),        TEST(test_spraying),
        TEST(test_never),    TEST(test_moved),     TEST(test_ban_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
