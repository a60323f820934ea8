/*
 * Forking: groups of q, best response, 6xx, challenges, CANCEL and the timers
 * (RFC 3261 16.6 to 16.10, RFC 5393 5.3).
 */
#include "proxy_harness.h"

#include <stdio.h>

#define S HARNESS_SECOND

static struct phones p;

static int up(void **state)
{
    (void)state;
    phones_init(&p);
    return 0;
}

static int down(void **state)
{
    (void)state;
    phones_done(&p);
    return 0;
}

static unsigned contexts(void)
{
    struct oh__serve_stats stats;

    oh__serve_stats(p.h.s, &stats);
    return stats.contexts;
}

/* The newest decision's kind and sentence. */
static void assert_why(enum oh__decision_kind kind, const char *why)
{
    struct oh__decision d;

    assert_true(harness_decision(&p.h, &d));
    assert_int_equal(d.kind, kind);
    assert_string_equal(d.why, why);
}

/* PRX-023, PRX-024: each line is what three phones answer, and what the caller gets. */
static void best_response_wins(void **state)
{
    static const struct {
        unsigned answer[3], want;
    } rows[] = {
        {{404, 486, 503}, 486}, {{503, 302, 486}, 302}, {{486, 603, 404}, 603},
        {{500, 404, 503}, 404}, {{480, 407, 486}, 407}, {{484, 486, 404}, 484},
        {{503, 503, 503}, 500}, {{501, 503, 501}, 501}, {{420, 404, 404}, 420},
        {{415, 480, 600}, 600}, {{503, 480, 503}, 480},
    };

    (void)state;
    p.h.settings->recurse = false;
    for (unsigned i = 1; i <= 3; i++)
        phone_register(&p, i, "102", "");
    for (unsigned r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        char call[16];

        harness_clear(&p.h);
        snprintf(call, sizeof call, "best%u", r);
        phone_invite(&p, call, "102", "");
        for (unsigned i = 1; i <= 3; i++) {
            unsigned code = rows[r].answer[i - 1];

            assert_int_equal(phone_requests(&p, i, "INVITE"), 1);
            phone_reply(&p, i, "INVITE", code, code == 302 ? "Contact: <sip:x@other.test>\n" : "");
        }
        phone_got_status(&p, 0, rows[r].want);
        assert_int_equal(phone_requests(&p, 1, "ACK"), 1);
        assert_int_equal(contexts(), 0);
    }
}

/* PRX-018: three phones, three branches. */
static void branches_differ(void **state)
{
    char first[80];

    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "b", "102", "");
    snprintf(first, sizeof first, "%.*s", OH_PRI(phone_got(&p, 1, "INVITE")->via.branch));
    struct oh_span second = phone_got(&p, 2, "INVITE")->via.branch;

    assert_false(oh_span_eq(second, oh_span_str(first)));
}

/* PRX-025: all challenges of all branches, unmodified. */
static void challenges_are_gathered(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        phone_register(&p, i, "102", "");
    phone_invite(&p, "ch", "102", "");
    phone_reply(&p, 1, "INVITE", 401, "WWW-Authenticate: Digest  realm=\"one\", nonce=\"1\"\n");
    phone_reply(&p, 2, "INVITE", 407, "Proxy-Authenticate: Digest realm=\"two\", nonce=\"2\"\n");
    phone_reply(&p, 3, "INVITE", 407, "Proxy-Authenticate: Digest realm=\"three\", nonce=\"3\"\n");

    const struct oh_msg *m = phone_got_status(&p, 0, 401);

    assert_true(message_has(m, "WWW-Authenticate: Digest  realm=\"one\", nonce=\"1\"\r\n"));
    assert_true(message_has(m, "realm=\"two\""));
    assert_true(message_has(m, "realm=\"three\""));
}

/* PRX-021, PRX-027, PRX-043, race 9: two phones answer at once. */
static void two_answers_reach_the_caller(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "two", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    phone_reply(&p, 2, "INVITE", 180, "");
    assert_int_equal(phone_statuses(&p, 0, 180), 2);
    phone_reply(&p, 1, "INVITE", 200, "");
    assert_true(message_has(phone_got(&p, 2, "CANCEL"),
                            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    assert_int_equal(contexts(), 0);
    phone_reply(&p, 2, "INVITE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 2);
    assert_span(phone_got_status(&p, 0, 200)->to_tag, "t2");
}

/* RFC 3261 16.7 step 5: a 2xx that is repeated when our server transaction has gone still gets up.
 */
static void answer_after_everything_ended(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "old", "102", "");
    phone_reply(&p, 2, "INVITE", 180, "");
    phone_reply(&p, 1, "INVITE", 200, "");
    harness_advance(&p.h, 31 * S);
    phone_reply(&p, 2, "INVITE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 2);
    harness_advance(&p.h, 5 * S);
    phone_reply(&p, 2, "INVITE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 3);
    assert_int_equal(message_value(phone_got_status(&p, 0, 200), OH_HEADER_VIA, 1).n, 0);
}

/* The 200 of phone 2 to a call whose server transaction has gone, with a Via of its own below ours.
 * Returns how many messages that made. */
static unsigned forged_answer(const char *via)
{
    const struct oh_msg *m = phone_got(&p, 2, "INVITE");
    static char text[4096];
    struct oh_span ours = message_value(m, OH_HEADER_VIA, 0);
    unsigned before = p.h.sends_n;

    int n = snprintf(text, sizeof text,
                     "SIP/2.0 200 OK\r\nVia: %.*s\r\nVia: %s\r\n"
                     "From: <sip:101@example.test>;tag=a\r\nTo: <sip:102@example.test>;tag=t2\r\n"
                     "Call-ID: forged\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                     OH_PRI(ours), via);

    assert_true(n > 0 && (size_t)n < sizeof text);
    harness_bytes(&p.h, &p.flow[2], oh_span(text, (size_t)n));
    return p.h.sends_n - before;
}

/* What goes up by its Via alone goes where a phone says: not to ourselves, nor to loopback. */
static void answer_is_no_letter_to_anybody(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "forged", "102", "");
    phone_reply(&p, 2, "INVITE", 180, "");
    phone_reply(&p, 1, "INVITE", 200, "");
    harness_advance(&p.h, 31 * S);
    phone_reply(&p, 2, "INVITE", 200, "");
    harness_advance(&p.h, 5 * S);
    assert_int_equal(forged_answer("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa"), 0);
    assert_int_equal(forged_answer("SIP/2.0/UDP 10.9.9.9;received=192.0.2.1;branch=z9hG4bKa"), 0);
    assert_int_equal(forged_answer("SIP/2.0/UDP 127.0.0.1:53;branch=z9hG4bKa"), 0);
    assert_int_equal(forged_answer("SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKa"), 0);
    assert_int_equal(forged_answer("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKforged"), 1);
}

/* A cancelled branch's 487 stays here, with its ACK. */
static void loser_is_quiet(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "lose", "102", "");
    phone_reply(&p, 2, "INVITE", 180, "");
    phone_reply(&p, 1, "INVITE", 200, "");
    phone_reply(&p, 2, "CANCEL", 200, "");
    phone_reply(&p, 2, "INVITE", 487, "");
    assert_int_equal(phone_statuses(&p, 0, 487), 0);
    assert_int_equal(phone_requests(&p, 2, "ACK"), 1);
    assert_why(OH__DECISION_CALL_ANSWERED, "102 answered after 0 s");
}

/* PRX-026: 6xx stops the others and waits for them; a 200 that is under way still wins. */
static void decline_waits_for_the_others(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "six", "102", "");
    phone_reply(&p, 2, "INVITE", 180, "");
    phone_reply(&p, 1, "INVITE", 603, "");
    assert_int_equal(phone_statuses(&p, 0, 603), 0);
    assert_int_equal(phone_requests(&p, 2, "CANCEL"), 1);
    phone_reply(&p, 2, "INVITE", 487, "");
    phone_got_status(&p, 0, 603);
    assert_why(OH__DECISION_CALL_FAILED, "102 declined (603)");

    harness_clear(&p.h);
    phone_invite(&p, "six2", "102", "");
    phone_reply(&p, 2, "INVITE", 180, "");
    phone_reply(&p, 1, "INVITE", 603, "");
    phone_reply(&p, 2, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
    assert_int_equal(phone_statuses(&p, 0, 603), 0);
}

/* PRX-038: equal q together, then lower; the ring time moves on. */
static void groups_by_q(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", ";q=1.0");
    phone_register(&p, 3, "102", ";q=0.5");
    phone_register(&p, 4, "102", ";q=0.2");
    phone_invite(&p, "q", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    phone_reply(&p, 2, "INVITE", 180, "");
    assert_int_equal(phone_requests(&p, 3, "INVITE"), 0);
    harness_advance(&p.h, 31 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
    assert_int_equal(phone_requests(&p, 2, "CANCEL"), 1);
    phone_reply(&p, 1, "INVITE", 487, "");
    phone_reply(&p, 2, "INVITE", 487, "");
    assert_int_equal(phone_requests(&p, 3, "INVITE"), 1);
    assert_int_equal(phone_requests(&p, 4, "INVITE"), 0);
    phone_reply(&p, 3, "INVITE", 486, "");
    assert_int_equal(phone_requests(&p, 4, "INVITE"), 1);
    phone_reply(&p, 4, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
    assert_int_equal(phone_statuses(&p, 0, 486), 0);
}

/* PRX-005: Max-Breadth is added, split, capped, reused; a small one makes the same phones ring one
 * by one. */
static void max_breadth_is_a_budget(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++)
        phone_register(&p, i, "102", "");
    phone_invite(&p, "mb1", "102", "");
    for (unsigned i = 1; i <= 3; i++)
        assert_span(oh_msg_value(phone_got(&p, i, "INVITE"), OH_HEADER_MAX_BREADTH), "15");

    harness_clear(&p.h);
    phone_invite(&p, "mb2", "102", "Max-Breadth: 1000\n");
    assert_span(oh_msg_value(phone_got(&p, 1, "INVITE"), OH_HEADER_MAX_BREADTH), "15");

    harness_clear(&p.h);
    phone_invite(&p, "mb3", "102", "Max-Breadth: 1\n");
    assert_int_equal(phone_requests(&p, 1, "INVITE") + phone_requests(&p, 2, "INVITE") +
                         phone_requests(&p, 3, "INVITE"),
                     1);
    for (unsigned left = 3; left > 0; left--) {
        unsigned i = 1;

        while (phone_requests(&p, i, "INVITE") == 0 || phone_requests(&p, i, "ACK") > 0)
            i++;
        assert_span(oh_msg_value(phone_got(&p, i, "INVITE"), OH_HEADER_MAX_BREADTH), "1");
        assert_int_equal(phone_statuses(&p, 0, 404), 0);
        phone_reply(&p, i, "INVITE", 404, "");
    }
    phone_got_status(&p, 0, 404);

    harness_clear(&p.h);
    phone_invite(&p, "mb4", "102", "Max-Breadth: 1\nRequest-Disposition: parallel\n");
    phone_got_status(&p, 0, 440);
    phone_invite(&p, "mb5", "102", "Max-Breadth: 0\n");
    assert_int_equal(phone_statuses(&p, 0, 440), 2);
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 0);
}

/* Class: a budget that keeps somebody waiting for ever. The one phone that rings is looked at every
 * second; the other one has its turn all the same when the ring time is over. */
static void small_budget_moves_on(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "mb6", "102", "Max-Breadth: 1\n");
    unsigned first = phone_requests(&p, 1, "INVITE") ? 1 : 2, second = 3 - first;

    phone_reply(&p, first, "INVITE", 180, "");
    harness_advance(&p.h, 29 * S);
    assert_int_equal(phone_requests(&p, first, "CANCEL"), 0);
    harness_advance(&p.h, 2 * S);
    assert_int_equal(phone_requests(&p, first, "CANCEL"), 1);
    assert_int_equal(phone_requests(&p, second, "INVITE"), 0);
    phone_reply(&p, first, "INVITE", 487, "");
    assert_int_equal(phone_requests(&p, second, "INVITE"), 1);
    phone_reply(&p, second, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
}

/* PRX-038 for a phone that comes late: its group has its turn after the ring time, too. */
static void late_group_has_its_turn(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "late-q", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    harness_advance(&p.h, 10 * S);
    phone_register(&p, 2, "102", ";q=0.5");
    harness_advance(&p.h, 25 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    assert_int_equal(phone_requests(&p, 2, "INVITE"), 0);
    harness_advance(&p.h, 10 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
    assert_int_equal(phone_requests(&p, 2, "INVITE"), 1);
    phone_reply(&p, 2, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
}

/* Class: an answer to somebody else's question. A name that was given up is answered late, while
 * another one is looked up; and each look-up has its own time. */
static void late_answer_is_for_nobody(void **state)
{
    struct oh_addr one = harness_addr("198.51.100.1:0"), two = harness_addr("198.51.100.2:0");

    (void)state;
    phone_register(&p, 1, "102", "");
    phone_request(&p, "MESSAGE", "names", "sip:102@example.test", "");
    phone_reply(&p, 1, "MESSAGE", 302, "Contact: <sip:a@one.test>, <sip:b@two.test>;q=0.5\n");
    assert_int_equal(p.h.resolves_n, 1);
    assert_string_equal(p.h.resolves[0].host, "one.test");
    harness_advance(&p.h, 9 * S);
    assert_int_equal(p.h.resolves_n, 2);
    assert_string_equal(p.h.resolves[1].host, "two.test");
    uint64_t first = p.h.resolves[0].ticket, second = p.h.resolves[1].ticket;

    assert_true(first != second);
    harness_clear(&p.h);
    harness_answer(&p.h, first, OH_OK, &one, 1);
    assert_int_equal(p.h.sends_n, 0);
    harness_advance(&p.h, 13 * S);
    harness_clear(&p.h);
    harness_answer(&p.h, second, OH_OK, &two, 1);
    assert_int_equal(p.h.sends_n, 1);
    assert_int_equal(p.h.sends[0].flow.peer.ip[3], 2);
    harness_answer(&p.h, second, OH_OK, &one, 1);
    assert_int_equal(p.h.sends_n, 1);
}

/* PRX-013: one branch for one URI, however often it is registered. */
static void no_target_twice(void **state)
{
    (void)state;
    phone_register_as(&p, 1, "102", "<sip:102@192.0.2.11>", "");
    phone_register_as(&p, 1, "102", "<sip:%31%30%32@192.0.2.11>", "");
    phone_invite(&p, "dup", "102", "");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
}

/* PRX-013, race 10: who registers while others ring, rings too. */
static void late_fork(void **state)
{
    int at;

    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "late", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    at = phone_request_at(&p, 1, "INVITE");
    assert_true(at >= 0);
    phone_send(
        &p, 2,
        "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bKlate;rport\n"
        "Max-Forwards: 70\n"
        "From: <sip:102@example.test>;tag=r\nTo: <sip:102@example.test>\nCall-ID: lateReg\n"
        "CSeq: 1 REGISTER\n"
        "Contact: <sip:102@192.0.2.12>\nExpires: 600\nContent-Length: 0\n\n");
    harness_advance(&p.h, 2 * S);
    assert_int_equal(phone_requests(&p, 2, "INVITE"), 1);
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
    phone_reply(&p, 2, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
}

/* CAN rows, PRX-032, races 1 to 3. */
static void cancel_before_ringing(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "can1", "102", "");
    phone_cancel(&p, "can1", "sip:102@example.test", "Reason: SIP;cause=480;text=\"gone\"\n");
    assert_int_equal(phone_statuses(&p, 0, 200), 1);
    /* Nothing came back from the phone: CANCEL has to wait (RFC 3261 9.1). */
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    phone_reply(&p, 1, "INVITE", 180, "");
    assert_true(message_has(phone_got(&p, 1, "CANCEL"), "Reason: SIP;cause=480;text=\"gone\"\r\n"));
    phone_reply(&p, 1, "CANCEL", 200, "");
    phone_reply(&p, 1, "INVITE", 487, "");
    phone_got_status(&p, 0, 487);
    assert_int_equal(phone_statuses(&p, 0, 200), 1);
    assert_int_equal(contexts(), 0);
    assert_why(OH__DECISION_CALL_CANCELLED, "the caller hung up before the answer, after 0 s");
}

static void cancel_crosses_answer(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "can2", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    phone_cancel(&p, "can2", "sip:102@example.test", "");
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
    phone_reply(&p, 1, "INVITE", 200, "Contact: <sip:102@192.0.2.11>\n");
    assert_true(message_has(phone_got_status(&p, 0, 200), "CSeq: 1 INVITE"));

    /* A second one finds nothing to cancel, but is answered (RFC 3261 9.2). */
    harness_clear(&p.h);
    phone_invite(&p, "can3", "102", "");
    phone_reply(&p, 1, "INVITE", 486, "");
    phone_cancel(&p, "can3", "sip:102@example.test", "");
    phone_got_status(&p, 0, 200);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    phone_cancel(&p, "never", "sip:102@example.test", "");
    phone_got_status(&p, 0, 481);
}

static void cancelled_branch_never_answers(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "can4", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    phone_cancel(&p, "can4", "sip:102@example.test", "");
    harness_advance(&p.h, 33 * S);
    phone_got_status(&p, 0, 487);
    assert_int_equal(contexts(), 0);
}

/* PRX-030: Timer C, with and without a sign of life. */
static void timer_c_ends_ringing(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "tc", "102", "");
    phone_reply(&p, 1, "INVITE", 180, "");
    harness_advance(&p.h, 100 * S);
    /* PRX-022: another 180 begins it anew. */
    phone_reply(&p, 1, "INVITE", 180, "");
    harness_advance(&p.h, 180 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    harness_advance(&p.h, 2 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
    phone_reply(&p, 1, "INVITE", 487, "");
    phone_got_status(&p, 0, 408);
    assert_int_equal(phone_statuses(&p, 0, 487), 0);
    assert_why(OH__DECISION_CALL_FAILED, "102 did not answer in 282 s");
}

/* PRX-023: nobody says anything. */
static void silence_is_408(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "sil", "102", "");
    harness_advance(&p.h, 33 * S);
    phone_got_status(&p, 0, 408);
    assert_why(OH__DECISION_CALL_FAILED, "nothing came back from 192.0.2.11:5060 for 102 in 32 s");

    phone_ack(&p, "sil", "sip:102@example.test");

    /* PRX-035: but for anything else there is nothing to say (RFC 4320 4.2). */
    harness_clear(&p.h);
    phone_request(&p, "MESSAGE", "sil2", "sip:102@example.test", "");
    harness_advance(&p.h, 40 * S);
    assert_int_equal(phone_statuses(&p, 0, 408), 0);
    assert_int_equal(phone_statuses(&p, 0, 100), 1);
    assert_int_equal(contexts(), 0);
    assert_why(OH__DECISION_REQUEST_FAILED,
               "nothing came back from 192.0.2.11:5060 for 102 in 32 s");
}

/* PRX-033: the INVITE's own Expires. */
static void invite_expires(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "exp", "102", "Expires: 5\n");
    phone_reply(&p, 1, "INVITE", 180, "");
    harness_advance(&p.h, 4 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 0);
    harness_advance(&p.h, 2 * S);
    assert_int_equal(phone_requests(&p, 1, "CANCEL"), 1);
    phone_reply(&p, 1, "INVITE", 487, "");
    phone_got_status(&p, 0, 408);
}

/* PRX-035: one final to a MESSAGE, also when two phones answer. */
static void message_forks_and_answers_once(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_request(&p, "MESSAGE", "mm", "sip:102@example.test", "");
    phone_reply(&p, 1, "MESSAGE", 200, "");
    phone_reply(&p, 2, "MESSAGE", 200, "");
    assert_int_equal(phone_statuses(&p, 0, 200), 1);
}

/* PRX-028: a phone that forwards: to a user of ours, to others, to a page. */
static void redirection_is_followed(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 3, "103", "");
    phone_invite(&p, "r1", "102", "");
    phone_reply(&p, 1, "INVITE", 302, "Contact: <sip:103@example.test>\n");
    assert_int_equal(phone_statuses(&p, 0, 302), 0);
    assert_span(phone_got(&p, 3, "INVITE")->uri, "sip:103@192.0.2.13");
    phone_reply(&p, 3, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);

    /* Back to where it came from: nothing new to try, so the caller gets it. */
    harness_clear(&p.h);
    phone_invite(&p, "r2", "102", "");
    phone_reply(&p, 1, "INVITE", 302, "Contact: <sip:102@example.test>\n");
    phone_got_status(&p, 0, 302);

    harness_clear(&p.h);
    phone_invite(&p, "r3", "102", "");
    phone_reply(&p, 1, "INVITE", 300,
                "Contact: <sip:103@example.test>, <http://example.test/help>\n");
    phone_reply(&p, 3, "INVITE", 486, "");

    const struct oh_msg *m = phone_got_status(&p, 0, 300);

    assert_span(message_value(m, OH_HEADER_CONTACT, 0), "<http://example.test/help>");
    assert_int_equal(message_value(m, OH_HEADER_CONTACT, 1).n, 0);
}

/* A phone that names more places than there may be branches: the others are left to the caller. */
static void redirection_to_too_many(void **state)
{
    char contacts[1024];
    size_t n = 0;

    (void)state;
    for (unsigned i = 1; i <= 20; i++)
        n += (size_t)snprintf(contacts + n, sizeof contacts - n, "%s<sip:198.51.100.%u>",
                              i == 1 ? "Contact: " : ",", i);
    snprintf(contacts + n, sizeof contacts - n, "\n");
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "many", "102", "");
    phone_reply(&p, 1, "INVITE", 300, contacts);
    n = 0;
    for (unsigned i = 0; i < p.h.sends_n; i++)
        n += p.h.sends[i].flow.peer.ip[0] == 198;
    assert_int_equal(n, p.h.settings->branches_max - 1);
    for (unsigned i = 0; i < 40 && phone_status_at(&p, 0, 300) < 0; i++) {
        harness_clear(&p.h);
        harness_advance(&p.h, S);
    }
    const struct oh_msg *m = phone_got_status(&p, 0, 300);

    assert_span(message_value(m, OH_HEADER_CONTACT, 0), "<sip:198.51.100.16>");
    assert_span(message_value(m, OH_HEADER_CONTACT, 4), "<sip:198.51.100.20>");
}

/* SEC-005: two users whose phones forward to each other: each is tried once. */
static void forwarding_in_a_circle_ends(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_register(&p, 3, "103", "");
    phone_register(&p, 4, "103", "");
    phone_invite(&p, "circle", "102", "");
    for (unsigned i = 1; i <= 4; i++)
        phone_reply(&p, i, "INVITE", 302,
                    i <= 2 ? "Contact: <sip:103@example.test>\n"
                           : "Contact: <sip:102@example.test>\n");
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(phone_requests(&p, i, "INVITE"), 1);
    phone_got_status(&p, 0, 302);
    assert_int_equal(contexts(), 0);
}

/* PRX-031, races 16 and 19: a connection ends; the others ring on. */
static void lost_connection_fails_one_branch(void **state)
{
    (void)state;
    phones_tcp(&p, 1, 77);
    phone_register(&p, 1, "102", "");
    phone_register(&p, 2, "102", "");
    phone_invite(&p, "tcp1", "102", "");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
    phone_reply(&p, 2, "INVITE", 180, "");
    oh__serve_flow_closed(p.h.s, &p.h.env, &p.flow[1]);
    harness_collect(&p.h);
    assert_int_equal(contexts(), 1);
    phone_reply(&p, 2, "INVITE", 200, "");
    phone_got_status(&p, 0, 200);

    harness_clear(&p.h);
    phone_register(&p, 1, "103", "");
    phone_invite(&p, "tcp2", "103", "");
    oh__serve_flow_closed(p.h.s, &p.h.env, &p.flow[1]);
    harness_collect(&p.h);
    phone_got_status(&p, 0, 500);
    assert_why(OH__DECISION_CALL_FAILED, "192.0.2.11:40000 could not be reached for 103");
}

/* PRX-011: what is said of users who cannot be called. */
static void nobody_to_call(void **state)
{
    (void)state;
    harness_account(&p.h, "105", "secret", 0);
    harness_account_full(
        &p.h,
        &(struct harness_account){
            .user = "106", .domain = "example.test", .password = "x", .hashes = ~0u, .gone_at = 1});
    phone_invite(&p, "n1", "104", "");
    phone_got_status(&p, 0, 404);
    assert_why(OH__DECISION_CALL_FAILED, "there is no user 104 here");
    phone_invite(&p, "n2", "105", "");
    phone_got_status(&p, 0, 480);
    assert_why(OH__DECISION_CALL_FAILED, "105 is not registered: no phone has registered as 105");
    phone_invite(&p, "n3", "106", "");
    phone_got_status(&p, 0, 410);
    assert_why(OH__DECISION_CALL_FAILED, "the account 106 was removed");
    assert_int_equal(contexts(), 0);
}

/* RFC 3261 17.2.1: an INVITE that comes twice is one call. */
static void retransmission_is_absorbed(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "re", "102", "");
    phone_invite(&p, "re", "102", "");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 1);
    assert_int_equal(phone_statuses(&p, 0, 100), 2);
    assert_int_equal(contexts(), 1);
}

/* No room for another context: 503 without state, counted. */
static void full_server_says_503(void **state)
{
    struct oh__serve_stats stats;

    (void)state;
    phone_register(&p, 1, "102", "");
    for (unsigned i = 0; i < 40; i++) {
        char call[16];

        harness_clear(&p.h);
        snprintf(call, sizeof call, "full%u", i);
        phone_invite(&p, call, "102", "");
    }
    oh__serve_stats(p.h.s, &stats);
    assert_true(stats.contexts_full > 0);
    assert_int_equal(oh_msg_value(phone_got_status(&p, 0, 503), OH_HEADER_RETRY_AFTER).n, 0);
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 0);
    assert_why(OH__DECISION_CALL_FAILED, "the server works on as many requests as it may");
    harness_clear(&p.h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        T(best_response_wins),
        T(branches_differ),
        T(challenges_are_gathered),
        T(two_answers_reach_the_caller),
        T(answer_after_everything_ended),
        T(answer_is_no_letter_to_anybody),
        T(loser_is_quiet),
        T(decline_waits_for_the_others),
        T(groups_by_q),
        T(max_breadth_is_a_budget),
        T(small_budget_moves_on),
        T(late_group_has_its_turn),
        T(late_answer_is_for_nobody),
        T(no_target_twice),
        T(late_fork),
        T(cancel_before_ringing),
        T(cancel_crosses_answer),
        T(cancelled_branch_never_answers),
        T(timer_c_ends_ringing),
        T(silence_is_408),
        T(invite_expires),
        T(message_forks_and_answers_once),
        T(redirection_is_followed),
        T(redirection_to_too_many),
        T(forwarding_in_a_circle_ends),
        T(lost_connection_fails_one_branch),
        T(nobody_to_call),
        T(retransmission_is_absorbed),
        T(full_server_says_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
