/* The redirect server (RFC 3261 8.3): a domain whose mode says so tells callers where to go. */
#include "proxy_harness.h"

static struct phones p;

static int up(void **state)
{
    (void)state;
    phones_prepare(&p);
    p.h.settings->domains[0].mode = OH__DOMAIN_REDIRECT;
    phones_start(&p);
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

/* RDR-001, RDR-003: one phone is 302; retransmissions get the same, the ACK is absorbed, nothing is
 * sent on. */
static void one_place_is_302(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "r1", "102", "");
    const struct oh_msg *m = phone_got_status(&p, 0, 302);

    assert_span(message_value(m, OH_HEADER_CONTACT, 0), "<sip:102@192.0.2.11>");
    assert_true(m->to_tag.n > 0);
    assert_int_equal(contexts(), 0);
    phone_invite(&p, "r1", "102", "");
    assert_int_equal(p.h.sends_n, 2);
    assert_int_equal(p.h.sends[0].n, p.h.sends[1].n);
    assert_memory_equal(p.h.sends[0].bytes, p.h.sends[1].bytes, p.h.sends[0].n);
    phone_ack(&p, "r1", "sip:102@example.test");
    harness_advance(&p.h, 40 * HARNESS_SECOND);
    assert_int_equal(p.h.sends_n, 2);
}

/* RDR-002: several are 300, in order of q. */
static void several_places_are_300(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", ";q=0.25");
    phone_register(&p, 2, "102", ";q=1.0");
    phone_register(&p, 3, "102", ";q=0.5");
    phone_invite(&p, "r2", "102", "");
    const struct oh_msg *m = phone_got_status(&p, 0, 300);

    assert_span(message_value(m, OH_HEADER_CONTACT, 0), "<sip:102@192.0.2.12>;q=1");
    assert_span(message_value(m, OH_HEADER_CONTACT, 1), "<sip:102@192.0.2.13>;q=0.5");
    assert_span(message_value(m, OH_HEADER_CONTACT, 2), "<sip:102@192.0.2.11>;q=0.25");
    assert_int_equal(phone_requests(&p, 1, "INVITE"), 0);
}

/* RDR-007, RDR-012: whatever the method and whatever it requires. */
static void any_method_and_extension(void **state)
{
    static const char *const methods[] = {"INVITE",  "MESSAGE", "SUBSCRIBE",
                                          "OPTIONS", "REFER",   "BREW"};

    (void)state;
    phone_register(&p, 1, "102", "");
    for (unsigned i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        harness_clear(&p.h);
        phone_request(&p, methods[i], methods[i], "sip:102@example.test",
                      "Require: foo, bar\nX-What: ever\n");
        phone_got_status(&p, 0, 302);
        assert_int_equal(p.h.sends_n, 1);
    }
}

/* RDR-006: nobody is sent back to where he came from. */
static void never_to_itself(void **state)
{
    (void)state;
    struct oh__settings_domain *alias = &p.h.settings->domains[1];

    phone_register_as(&p, 1, "102", "<sip:102@new.test>", "");
    phone_request(&p, "INVITE", "self", "sip:102@example.test", "");
    assert_span(message_value(phone_got_status(&p, 0, 302), OH_HEADER_CONTACT, 0),
                "<sip:102@new.test>");
    /* Now that name becomes one of ours. */
    *alias = p.h.settings->domains[0];
    memcpy(alias->name, "new.test", sizeof "new.test");
    memcpy(alias->alias_of, "example.test", sizeof "example.test");
    p.h.settings->domains_n = 2;
    phone_request(&p, "INVITE", "self2", "sip:102@new.test", "");
    phone_got_status(&p, 0, 404);
}

/* RDR-008, RDR-009. */
static void cancel_and_nobody(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_invite(&p, "c1", "102", "");
    phone_cancel(&p, "c1", "sip:102@example.test", "");
    phone_got_status(&p, 0, 200);
    assert_int_equal(phone_statuses(&p, 0, 487), 0);
    harness_account(&p.h, "105", "secret", 0);
    phone_invite(&p, "c2", "105", "");
    phone_got_status(&p, 0, 480);
    phone_invite(&p, "c3", "199", "");
    phone_got_status(&p, 0, 404);
}

/* RDR-005: only a phone says 305. RDR-012: what is inside a dialog goes on. */
static void never_inside_a_dialog(void **state)
{
    (void)state;
    phone_register(&p, 1, "102", "");
    phone_send(
        &p, 0,
        "INFO sip:102@example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKin;rport\n"
        "Max-Forwards: 70\n"
        "From: <sip:101@example.test>;tag=a\nTo: <sip:102@example.test>;tag=t1\nCall-ID: in\n"
        "CSeq: 2 INFO\n"
        "Content-Length: 0\n\n");
    assert_int_equal(phone_requests(&p, 1, "INFO"), 1);
    assert_int_equal(p.h.sends_n, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
    const struct CMUnitTest tests[] = {
        T(one_place_is_302), T(several_places_are_300), T(any_method_and_extension),
        T(never_to_itself),  T(cancel_and_nobody),      T(never_inside_a_dialog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
