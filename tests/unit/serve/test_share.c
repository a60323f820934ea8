/*
 * One sender's share of the table: whoever keeps more requests open than are
 * left for all the others gets 503, and nobody else does.
 */
#include "proxy_harness.h"

#include <stdio.h>

#define WHY "its sender has as many requests in progress as are left for all others"

static struct phones p;

/* The phones 1 to 7 are trusted, so that they need not prove anything; phone 0 is not. */
static void begin(uint32_t most)
{
    phones_prepare(&p);
    p.h.settings->no_auth = false;
    p.h.settings->trusted_n = PHONES - 1;
    for (unsigned i = 1; i < PHONES; i++)
        p.h.settings->trusted[i - 1] = (struct oh_network){.addr = p.flow[i].peer, .bits = 32};
    p.h.transactions_max = most;
    phones_start(&p);
    harness_account(&p.h, "101", "one", 0);
    harness_account(&p.h, "102", "two", 0);
    harness_account(&p.h, "103", "three", 0);
    phone_register(&p, 1, "102", "");
}

static struct oh__serve_stats stats(void)
{
    struct oh__serve_stats out;

    oh__serve_stats(p.h.s, &out);
    return out;
}

/* A call from a phone to 102, with the credentials of rows; its status: 100, or what refused it. */
static unsigned call_from(unsigned phone, const char *user, unsigned n, unsigned at,
                          const char *rows)
{
    harness_clear(&p.h);
    phone_send(&p, phone,
               "INVITE sip:102@example.test SIP/2.0\n"
               "Via: SIP/2.0/UDP 192.0.2.%u;branch=z9hG4bK%s%u.%u;rport\nMax-Forwards: 70\n"
               "From: <sip:%s@%s>;tag=a\nTo: <sip:102@example.test>\n"
               "Call-ID: %s%u\nCSeq: %u INVITE\n%sContent-Length: 0\n\n",
               10 + phone, user, n, at, user,
               phone || !strcmp(user, "eve") ? "far.test" : "example.test", user, n, at, rows);
    /* The 100 of a call that goes on is followed by the INVITE to the phone. */
    return phone_status_at(&p, phone, 100) >= 0 ? 100 : harness_code(&p.h);
}

/* Lets time pass, in steps that do not send too much for the harness. */
static void pass(unsigned seconds)
{
    for (unsigned i = 0; i < 4 * seconds; i++) {
        harness_advance(&p.h, HARNESS_SECOND / 4);
        harness_clear(&p.h);
    }
}

/* As call_from, of an account. */
static unsigned account_calls(const char *user, const char *password, unsigned n)
{
    char row[512];

    assert_int_equal(call_from(0, user, n, 1, ""), 407);
    harness_authorize(
        &p.h,
        &(struct harness_digest){
            .user = user, .password = password, .method = "INVITE", .uri = "sip:102@example.test"},
        row, sizeof row);
    return call_from(0, user, n, 2, row);
}

/* One account takes what it can get, all from one address: half of 40 are ten calls. */
static void account_has_its_share(void **state)
{
    struct oh__decision d;
    unsigned n = 0;

    (void)state;
    begin(40);
    while (n < 30 && account_calls("101", "one", n) == 100)
        n++;
    assert_int_equal(n, 10);
    assert_int_equal(harness_code(&p.h), 503);
    assert_int_equal(harness_rows(&p.h, OH_HEADER_RETRY_AFTER), 0);
    assert_true(harness_decision(&p.h, &d));
    assert_int_equal(d.kind, OH__DECISION_CALL_FAILED);
    assert_string_equal(d.why, WHY);
    assert_int_equal(stats().refused_share, 1);
    assert_int_equal(stats().contexts_full, 0);
    /* Another account behind the same address has nothing to do with it. */
    assert_int_equal(account_calls("103", "three", 0), 100);
    assert_int_equal(account_calls("101", "one", 31), 503);
    /* Nobody picks up; when Timer B has ended all that, there is room again. */
    pass(100);
    assert_int_equal(stats().contexts, 0);
    assert_int_equal(account_calls("101", "one", 32), 100);
    pass(100);
    assert_true(oh__serve_idle(p.h.s));
    phones_done(&p);
}

/* A share is one of memory: with messages of 12 KB it is used up sooner. */
static void long_messages_use_it_up(void **state)
{
    static char rows[13000];
    unsigned n = 0;

    (void)state;
    begin(40);
    p.h.settings->domains[0].accept_foreign = true;
    p.h.settings->trusted_n = 1;
    memset(rows, 'x', 12400);
    memcpy(rows, "Subject: ", 9);
    memcpy(rows + 12400, "\n", 2);
    while (n < 30 && call_from(0, "eve", n, 1, rows) == 100)
        n++;
    assert_int_equal(n, 3); /* each counts for eight */
    assert_int_equal(call_from(2, "dora", 0, 1, ""), 100);
    pass(100);
    assert_int_equal(call_from(0, "eve", 40, 1, rows), 100);
    pass(100);
    assert_true(oh__serve_idle(p.h.s));
    phones_done(&p);
}

/* Strangers who may call are told apart by where they come from. */
static void source_has_its_share(void **state)
{
    unsigned n = 0;

    (void)state;
    begin(40);
    p.h.settings->domains[0].accept_foreign = true;
    p.h.settings->trusted_n = 1; /* the called phone alone */
    while (n < 30 && call_from(0, "eve", n, 1, "") == 100)
        n++;
    assert_int_equal(n, 10);
    p.flow[0].peer.port = 7777; /* another port is the same source */
    assert_int_equal(call_from(0, "eve", 50, 1, ""), 503);
    p.flow[0].peer.port = 5060;
    assert_int_equal(call_from(2, "dora", 0, 1, ""), 100);
    pass(100);
    phones_done(&p);
}

/* A gateway carries everybody's calls: it may fill the table. */
static void trusted_peers_have_no_bound_of_their_own(void **state)
{
    unsigned n = 0;

    (void)state;
    begin(40);
    while (n < 30 && call_from(2, "carrier", n, 1, "") == 100)
        n++;
    assert_int_equal(n, 20);
    assert_int_equal(stats().refused_share, 0);
    pass(100);
    phones_done(&p);
}

/* Forking and cancelling get nobody more: what still waits for an end counts, too. */
static void forks_and_cancels_count(void **state)
{
    char row[512], call[16];
    unsigned n, branches;

    (void)state;
    begin(40);
    for (unsigned i = 2; i < 6; i++)
        phone_register(&p, i, "102", "");
    for (n = 0, branches = 0; n < 30 && account_calls("101", "one", n) == 100; n++) {
        for (unsigned i = 1; i < 6; i++)
            branches += phone_requests(&p, i, "INVITE");
        snprintf(row, sizeof row, "Call-ID: 101%u", n);
        snprintf(call, sizeof call, "101%u.2", n);
        harness_clear(&p.h);
        phone_send(&p, 0,
                   "CANCEL sip:102@example.test SIP/2.0\n"
                   "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%s;rport\nMax-Forwards: 70\n"
                   "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>\n"
                   "%s\nCSeq: 2 CANCEL\nContent-Length: 0\n\n",
                   call, row);
    }
    /* Each call is one transaction and a branch per phone, as far as the share goes. */
    assert_true(n + branches >= 19 && n + branches <= 21);
    assert_true(stats().endpoint.in_flight <= 21);
    assert_true(stats().refused_share > 0);
    pass(300);
    assert_true(oh__serve_idle(p.h.s));
    phones_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(account_has_its_share),
        cmocka_unit_test(long_messages_use_it_up),
        cmocka_unit_test(source_has_its_share),
        cmocka_unit_test(trusted_peers_have_no_bound_of_their_own),
        cmocka_unit_test(forks_and_cancels_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
