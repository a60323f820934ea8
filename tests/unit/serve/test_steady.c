/*
 * The steady state costs no heap call. Phones register with and without
 * passwords, ask for options, send messages and call each other at a steady
 * rate, while the virtual clock runs, so that transactions complete, wait and
 * expire as fast as new ones come. After a warm-up of more than the longest
 * wait (64*T1) the heap is not touched any more.
 *
 * Texts have different lengths, because these choose the class of a block. As
 * long as they come round again in the same order, the steady state is exact,
 * and so is the zero. When they are random, the number in use of each class
 * goes up and down at random, too, and now and then some class needs one more
 * than ever before: for that case the test has a bound instead.
 */
#include "proxy_harness.h"

#include <stdio.h>

#include <offhook/build.h>

#define RATE        64  /* operations per virtual second */
#define WARM_UP_S   100 /* three times the 32 s that a completed transaction waits */
#define MEASURED_S  60
#define ROUND       97 /* operations after which the same ones come again */
#define TEXT_MOST   8192
#define FILLER_MOST 400
#define RANDOM_MOST 100 /* operations per heap call, when lengths are random: at least so many */

static struct phones p;

/* What the operations draw from; the same in every run. */
static struct {
    bool random;  /* else the generator starts anew with each round */
    unsigned ops; /* timed ones so far */
    struct oh__rng rng;
    unsigned fresh; /* operations so far: Call-IDs and branches */
} draw;

static unsigned random_below(unsigned n)
{
    return (unsigned)oh__rng_below(&draw.rng, n);
}

/* Up to `most` letters, for a header or body whose length nobody can foresee. */
static const char *filler(unsigned most)
{
    static char text[4][FILLER_MOST + 1];
    static unsigned at;
    char *t = text[at++ % 4];
    unsigned n = random_below(most);

    memset(t, 'x', n);
    t[n] = 0;
    return t;
}

/* Forgets what was sent and sends a message of phone i. */
static void send_from(unsigned i, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void send_from(unsigned i, const char *format, ...)
{
    static char text[TEXT_MOST];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(n > 0 && (size_t)n < sizeof text);
    harness_clear(&p.h);
    p.h.flow = p.flow[i];
    assert_int_equal(harness_input(&p.h, "%s", text), OH_OK);
}

/* Phone i answers the newest message, a request; what the others got is forgotten. */
static void reply_from(unsigned i, const struct oh_msg *request, unsigned status, const char *rows)
{
    static char text[TEXT_MOST];
    struct oh_reply reply = {
        .code = status, .to_tag = OH_LIT("answers"), .headers = oh_span_str(rows)};
    struct oh_buf out;

    oh_buf_init(&out, text, sizeof text);
    assert_int_equal(oh_build_reply(&out, request, NULL, &reply), OH_OK);
    harness_clear(&p.h);
    assert_int_equal(harness_bytes(&p.h, &p.flow[i], oh_buf_view(&out)), OH_OK);
}

/*
 * Sends a request outside a dialog, and again with credentials when the
 * server wants some, as phones do.
 */
static void ask(unsigned i, const char *method, const char *uri, const char *to, const char *rows,
                const char *body)
{
    char credentials[1024] = "", user[8];
    unsigned call = ++draw.fresh, long_call = 8 + random_below(24);
    const char *x = filler(60);

    snprintf(user, sizeof user, "%u", 100 + i);
    for (unsigned cseq = 1; cseq <= 2; cseq++) {
        send_from(i,
                  "%s %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.%u;branch=z9hG4bKs%08u-%u;rport\n"
                  "Max-Forwards: 70\nFrom: <sip:%s@example.test>;tag=f%08u\nTo: <%s>\n"
                  "Call-ID: steady-%0*u\nCSeq: %u %s\nX-Filler: %s\n%s%sContent-Length: %zu\n\n%s",
                  method, uri, 10 + i, call, cseq, user, call, to, (int)long_call, call, cseq,
                  method, x, credentials, rows, strlen(body), body);
        if (harness_code(&p.h) != 401 && harness_code(&p.h) != 407)
            return;
        assert_int_equal(cseq, 1);
        harness_authorize(&p.h,
                          &(struct harness_digest){
                              .user = user, .password = "secret", .method = method, .uri = uri},
                          credentials, sizeof credentials);
        if (strcmp(method, "INVITE") == 0)
            send_from(i,
                      "ACK %s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.%u;branch=z9hG4bKs%08u-1;rport\n"
                      "Max-Forwards: 70\nFrom: <sip:%s@example.test>;tag=f%08u\nTo: <%s>;tag=x\n"
                      "Call-ID: steady-%0*u\nCSeq: 1 ACK\nContent-Length: 0\n\n",
                      uri, 10 + i, call, user, call, to, (int)long_call, call);
    }
}

static void options(unsigned i, unsigned to)
{
    (void)to;
    ask(i, "OPTIONS", "sip:example.test", "sip:example.test", "", "");
    phone_got_status(&p, i, 200);
}

static void registration(unsigned i, unsigned to)
{
    char aor[64], rows[256];

    (void)to;
    snprintf(aor, sizeof aor, "sip:%u@example.test", 100 + i);
    snprintf(rows, sizeof rows, "Contact: <sip:%u@192.0.2.%u>\nExpires: %u\n", 100 + i, 10 + i,
             3600 + random_below(600));
    ask(i, "REGISTER", "sip:example.test", aor, rows, "");
    phone_got_status(&p, i, 200);
}

static void message(unsigned i, unsigned to)
{
    char uri[64];

    snprintf(uri, sizeof uri, "sip:%u@example.test", 100 + to);
    ask(i, "MESSAGE", uri, uri, "Content-Type: text/plain\n", filler(FILLER_MOST));
    reply_from(to, phone_got(&p, to, "MESSAGE"), 200, "");
    phone_got_status(&p, i, 200);
}

/* A request of the caller within the dialog that his newest 200 has made. */
static void in_dialog(unsigned i, unsigned to, const char *method, const char *head,
                      const char *routes)
{
    send_from(
        i,
        "%s sip:%u@192.0.2.%u SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.%u;branch=z9hG4bKd%08u%s;rport\n"
        "Max-Forwards: 70\n%s%sCSeq: %u %s\nContent-Length: 0\n\n",
        method, 100 + to, 10 + to, 10 + i, ++draw.fresh, method, routes, head,
        strcmp(method, "ACK") == 0 ? 2u : 3u, method);
}

static void call(unsigned i, unsigned to)
{
    char uri[64], contact[64], invite_rows[128], head[1024], routes[2048];
    const struct oh_msg *m;

    snprintf(uri, sizeof uri, "sip:%u@example.test", 100 + to);
    snprintf(invite_rows, sizeof invite_rows,
             "Contact: <sip:%u@192.0.2.%u>\nContent-Type: text/x-filler\n", 100 + i, 10 + i);
    snprintf(contact, sizeof contact, "Contact: <sip:%u@192.0.2.%u>\r\n", 100 + to, 10 + to);
    ask(i, "INVITE", uri, uri, invite_rows, filler(FILLER_MOST));

    /* Both answers are built of the same request, which reply_from would forget. */
    static char bytes[TEXT_MOST];
    static struct oh_msg invite;
    struct oh_fault fault;
    size_t used;

    m = phone_got(&p, to, "INVITE");
    assert_true(m->raw.n <= sizeof bytes);
    memcpy(bytes, m->raw.p, m->raw.n);
    assert_int_equal(
        oh_msg_parse(oh_span(bytes, m->raw.n), OH_MSG_DATAGRAM, NULL, &invite, &used, &fault),
        OH_OK);
    assert_int_equal(oh_msg_check(&invite, &fault), OH_OK);
    reply_from(to, &invite, 180, contact);
    phone_got_status(&p, i, 180);
    reply_from(to, &invite, 200, contact);
    m = phone_got_status(&p, i, 200);
    routes_of(m, true, routes, sizeof routes);
    snprintf(head, sizeof head, "From: %.*s\nTo: %.*s\nCall-ID: %.*s\n",
             OH_PRI(oh_msg_value(m, OH_HEADER_FROM)), OH_PRI(oh_msg_value(m, OH_HEADER_TO)),
             OH_PRI(m->call_id));
    in_dialog(i, to, "ACK", head, routes);
    phone_got(&p, to, "ACK");
    in_dialog(i, to, "BYE", head, routes);
    reply_from(to, phone_got(&p, to, "BYE"), 200, "");
    phone_got_status(&p, i, 200);
}

typedef void operation(unsigned i, unsigned to);

static operation *const operations[] = {options, registration, message, call};

#define OPERATIONS (sizeof operations / sizeof operations[0])

static void begin_round(void)
{
    static const uint8_t seed[32] = "steady";

    oh__rng_init(&draw.rng, seed);
}

/* Runs operations for so many virtual seconds. */
static void run_for(unsigned seconds, operation *const *list, unsigned list_n)
{
    for (unsigned n = 0; n < seconds * RATE; n++) {
        unsigned i, to;

        if (!draw.random && draw.ops++ % ROUND == 0)
            begin_round();
        i = random_below(PHONES);
        to = (i + 1 + random_below(PHONES - 1)) % PHONES;
        list[random_below(list_n)](i, to);
        harness_clear(&p.h);
        harness_advance(&p.h, HARNESS_SECOND / RATE / 2 + random_below(HARNESS_SECOND / RATE));
    }
}

static void begin(bool passwords, bool random)
{
    phones_prepare(&p);
    memset(&draw, 0, sizeof draw);
    draw.random = random;
    begin_round();
    p.h.settings->no_auth = !passwords;
    p.h.transactions_max = 1024;
    p.h.completed_max = 65536;
    phones_start(&p);
    for (unsigned i = 0; i < PHONES; i++) {
        char user[8];

        snprintf(user, sizeof user, "%u", 100 + i);
        harness_account(&p.h, user, "secret", 0);
        registration(i, i);
    }
}

/* Everything has been given back in the end, and was worth measuring. */
static void end(void)
{
    struct oh__serve_stats stats;

    oh__serve_check(p.h.s);
    oh__serve_stats(p.h.s, &stats);
    assert_int_equal(stats.endpoint.completed_evicted, 0);
    harness_advance(&p.h, 100 * HARNESS_SECOND);
    assert_true(oh__serve_idle(p.h.s));
    phones_done(&p);
}

/* Warms up, then counts the heap calls of the measured operations. */
static size_t heap_calls(bool passwords, bool random, operation *const *list, unsigned list_n)
{
    size_t calls;

    begin(passwords, random);
    run_for(WARM_UP_S, list, list_n);
    calls = p.h.heap.calls;
    run_for(MEASURED_S, list, list_n);
    calls = p.h.heap.calls - calls;
    end();
    return calls;
}

static void each_operation_alone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATIONS; i++)
        assert_int_equal(heap_calls(false, false, &operations[i], 1), 0);
}

static void each_operation_with_passwords(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OPERATIONS; i++)
        assert_int_equal(heap_calls(true, false, &operations[i], 1), 0);
}

static void all_together(void **state)
{
    (void)state;
    assert_int_equal(heap_calls(false, false, operations, OPERATIONS), 0);
    assert_int_equal(heap_calls(true, false, operations, OPERATIONS), 0);
}

static void random_lengths(void **state)
{
    (void)state;
    for (unsigned passwords = 0; passwords < 2; passwords++) {
        size_t calls = heap_calls(passwords, true, operations, OPERATIONS);

        assert_in_range(calls * RANDOM_MOST, 0, MEASURED_S * RATE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_alone),
        cmocka_unit_test(each_operation_with_passwords),
        cmocka_unit_test(all_together),
        cmocka_unit_test(random_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
