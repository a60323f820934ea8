/* Two workers in two threads: streams of one used by the other, waking. */
#include "unit/net/kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the second thread does: run worker 1 until told to stop, and note what it sees. */
struct second {
    struct kit *k;
    struct oh__net *net;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint messages, failed, closed, woken;
    _Atomic uint64_t flow_id;
};

static void *run_second(void *arg)
{
    struct second *s = arg;
    struct oh__net_input in;

    while (!atomic_load(&s->stop)) {
        while (oh__net_take(s->net, &in)) {
            switch (in.kind) {
            case OH__NET_MESSAGE:
                atomic_store(&s->flow_id, in.flow.id);
                atomic_fetch_add(&s->messages, 1);
                break;
            case OH__NET_FAILED: atomic_fetch_add(&s->failed, 1); break;
            case OH__NET_CLOSED: atomic_fetch_add(&s->closed, 1); break;
            case OH__NET_WOKEN: atomic_fetch_add(&s->woken, 1); break;
            default: break;
            }
        }
        oh__net_wait(s->net, UINT64_MAX);
    }
    return NULL;
}

static void start(struct kit *k, struct second *s)
{
    k->options.workers = 2;
    kit_listen(k, OH_TRANSPORT_TCP, "127.0.0.1:0");
    kit_open(k);
    s->k = k;
    assert_int_equal(oh__net_new(k->shared, 1, &s->net), OH_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, run_second, s), 0);
}

static void stop(struct kit *k, struct second *s)
{
    atomic_store(&s->stop, true);
    oh__net_wake(s->net);
    pthread_join(s->thread, NULL);
    oh__net_free(s->net);
    kit_close(k);
}

/* Waits until a counter of the second thread has reached n, running worker 0 meanwhile. */
static bool reached(struct kit *k, atomic_uint *counter, unsigned n)
{
    uint64_t end = oh__clock_now() + 2000 * MS;
    struct oh__net_input in;

    while (atomic_load(counter) < n && oh__clock_now() < end) {
        /* What is not taken would make each wait return at once. */
        while (oh__net_take(k->net, &in))
            assert_int_not_equal(in.kind, OH__NET_FAILED);
        oh__net_wait(k->net, oh__clock_now() + MS);
    }
    return atomic_load(counter) >= n;
}

/* Connects until worker 1 has accepted one, which has then sent a message; the kernel chooses the
 * worker. */
static int connect_to_second(struct kit *k, struct second *s)
{
    struct oh_addr to = kit_addr(k, 0);
    struct oh__net_input in;
    char text[1024];
    size_t n = kit_message(text, sizeof(text), 1, 0);
    uint64_t end = oh__clock_now() + 5000 * MS;

    for (unsigned tries = 0; tries < 64; tries++) {
        int fd = kit_connect(&to);

        kit_write(fd, text, n);
        for (bool ours = false; !ours;) {
            if (atomic_load(&s->messages) > 0)
                return fd;
            oh__net_wait(k->net, oh__clock_now() + MS);
            while (oh__net_take(k->net, &in))
                ours = ours || in.kind == OH__NET_MESSAGE;
            if (oh__clock_now() > end)
                fail_msg("no worker has got the message");
        }
        close(fd);
    }
    fail_msg("the kernel gave all connections to one worker");
    return -1;
}

static void test_send_elsewhere(void **state)
{
    struct kit k = {0};
    struct second s = {0};
    struct oh__net_input in;
    struct oh_flow flow = {.transport = OH_TRANSPORT_TCP};
    char back[1000];
    int fd;

    (void)state;
    start(&k, &s);
    fd = connect_to_second(&k, &s);
    flow.id = atomic_load(&s.flow_id);
    assert_int_equal(flow.id & 63, 1);
    for (unsigned i = 0; i < 100; i++)
        oh__net_send(k.net, &flow, OH_LIT("0123456789"), 1 + i);
    assert_int_equal(kit_read(fd, back, sizeof(back)), sizeof(back));
    for (unsigned i = 0; i < sizeof(back); i++)
        assert_int_equal(back[i], '0' + (int)(i % 10));
    /* A registered mark set from here counts there; the stream ends, and the failure comes back
     * here. */
    oh__net_keep(k.net, &flow, true);
    close(fd);
    assert_true(reached(&k, &s.closed, 1));
    oh__net_send(k.net, &flow, OH_LIT("late"), 77);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 77);
    assert_int_equal(atomic_load(&s.failed), 0);
    stop(&k, &s);
}

/* Both workers send to one new peer: one connection is opened. */
static void test_one_connection(void **state)
{
    struct kit k = {0};
    struct second s = {0};
    struct oh_addr addr, to;
    struct oh_flow flow;
    char back[8];
    int listener = kit_socket(SOCK_STREAM, "127.0.0.1:0", &addr), fd;

    (void)state;
    k.options.workers = 2;
    kit_listen(&k, OH_TRANSPORT_TCP, "127.0.0.1:0");
    kit_open(&k);
    to = addr;
    assert_int_equal(oh__net_new(k.shared, 1, &s.net), OH_OK);
    assert_int_equal(listen(listener, 4), 0);
    flow = kit_flow(&k, 0, &to);
    oh__net_send(k.net, &flow, OH_LIT("aaaa"), 1);
    oh__net_send(s.net, &flow, OH_LIT("bbbb"), 2);
    fd = accept(listener, NULL, NULL);
    kit_run(k.net, OH__NET_FAILED, 10);
    assert_int_equal(kit_read(fd, back, 8), 8);
    assert_memory_equal(back, "aaaabbbb", 8);
    assert_int_equal(kit_stats(&k).connections_opened, 1);
    close(fd);
    close(listener);
    oh__net_free(s.net);
    kit_close(&k);
}

static void test_wake(void **state)
{
    struct kit k = {0};
    struct second s = {0};

    (void)state;
    start(&k, &s);
    for (unsigned i = 1; i <= 20; i++) {
        oh__net_wake(s.net);
        assert_true(reached(&k, &s.woken, i));
    }
    stop(&k, &s);
}

/* A worker that has ended takes no letters: what is sent to its streams fails at once. */
static void test_owner_gone(void **state)
{
    struct kit k = {.options.workers = 2};
    struct oh__net_input in;
    struct oh_flow flow = {.transport = OH_TRANSPORT_TCP, .id = 64 + 1};

    (void)state;
    kit_listen(&k, OH_TRANSPORT_TCP, "127.0.0.1:0");
    kit_open(&k);
    oh__net_send(k.net, &flow, OH_LIT("x"), 3);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 3);
    flow.id = 64 + 33; /* no such worker */
    oh__net_send(k.net, &flow, OH_LIT("x"), 4);
    oh__net_keep(k.net, &flow, true);
    assert_true(kit_next(k.net, OH__NET_FAILED, &in, 1000));
    assert_int_equal(in.ticket, 4);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_elsewhere),
        cmocka_unit_test(test_one_connection),
        cmocka_unit_test(test_wake),
        cmocka_unit_test(test_owner_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
