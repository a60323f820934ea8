/*
 * From bytes to messages (RFC 3261 18.3). Bytes are read while waiting and
 * framed when messages are taken, one message at a time, each connection in
 * turn. The buffer grows with the bytes that have come, never with what
 * Content-Length promises.
 *
 * Framing is tried again only when it can succeed: when a line has ended while
 * the headers are incomplete, and when the announced bytes are there while the
 * body is. Otherwise a peer that sends single bytes could make us read the
 * same headers thousands of times.
 */
#include <errno.h>

#include "net/tcp.h"

#define FIRST_BYTES 4096

/* Bytes read from one connection per round. */
#define ROUND_BYTES 65536

/* Bytes thrown away so that no reset overtakes a reply: what a window of the network may hold
 * behind the message that broke the framing. Who sends more than this is not reading. */
#define DISCARD_BYTES ((uint32_t)256 << 10)

/* Pongs sent at once, however many pings came. */
#define PONGS 16

/* Makes room behind the bytes that wait; false when the buffer may not, or cannot, grow. */
static bool make_room(struct oh__tcp *tcp, struct oh__conn *c)
{
    uint32_t len = c->rx.n - c->rx.at;
    uint32_t cap = c->rx.cap ? c->rx.cap : FIRST_BYTES / 2;
    char *p;

    if (c->rx.at > 0) {
        memmove(c->rx.p, c->rx.p + c->rx.at, len);
        c->rx.seen -= c->rx.seen > c->rx.at ? c->rx.at : c->rx.seen;
        c->rx.at = 0;
        c->rx.n = len;
    }
    if (c->rx.n < c->rx.cap)
        return true;
    if (c->rx.cap >= tcp->rx_most)
        return false;
    cap = cap * 2 < tcp->rx_most ? cap * 2 : tcp->rx_most;
    p = oh__blocks_take(tcp->net->blocks, cap);
    if (!p)
        return false;
    if (c->rx.p) {
        memcpy(p, c->rx.p, len);
        oh__blocks_give(tcp->net->blocks, c->rx.p, c->rx.cap);
    }
    c->rx.p = p;
    c->rx.cap = cap;
    return true;
}

/* One recv; returns the bytes read, 0 at the end, or -1 with errno. */
static ssize_t read_some(struct oh__conn *c)
{
    ssize_t got;

    do {
        got = recv(c->fd, c->rx.p + c->rx.n, c->rx.cap - c->rx.n, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got;
}

void oh__conn_read(struct oh__tcp *tcp, struct oh__conn *c)
{
    uint32_t total = 0;

    /* A server's pongs are single CRLFs: two of them, at different times, are no ping. */
    if (!c->is_accepted)
        c->rx.blanks = 0;
    while (total < ROUND_BYTES && make_room(tcp, c)) {
        uint32_t room = c->rx.cap - c->rx.n;
        ssize_t got = read_some(c);

        if (got < 0 && errno != EAGAIN) {
            oh__conn_kill(tcp, c, OH_E_IO);
            return;
        }
        if (got <= 0) {
            c->has_ended = got == 0;
            break;
        }
        c->rx.n += (uint32_t)got;
        total += (uint32_t)got;
        if ((uint32_t)got < room)
            break;
    }
    oh__conn_interest(tcp, c);
    oh__conn_use(tcp, c);
    c->budget = OH__ROUND_MESSAGES;
    oh__conn_enqueue(&tcp->ready, c);
}

void oh__conn_discard(struct oh__tcp *tcp, struct oh__conn *c)
{
    char bytes[16384];
    ssize_t got = 1;

    for (int i = 0; i < 4 && got > 0 && c->discarded < DISCARD_BYTES; i++) {
        got = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        c->discarded += got > 0 ? (uint32_t)got : 0;
    }
    if (got == 0 || c->discarded >= DISCARD_BYTES || (got < 0 && errno != EAGAIN && errno != EINTR))
        oh__conn_kill(tcp, c, OH_E_IO);
}

/*
 * Drops the CRLFs between messages. Two in a row are a ping, answered by one
 * (RFC 5626 4.4.1).
 */
static void skip_blanks(struct oh__tcp *tcp, struct oh__conn *c)
{
    char pongs[2 * PONGS];
    unsigned n = 0;

    while (c->rx.n - c->rx.at >= 2 && memcmp(c->rx.p + c->rx.at, "\r\n", 2) == 0) {
        c->rx.at += 2;
        c->active = tcp->net->now;
        if (++c->rx.blanks < 2)
            continue;
        c->rx.blanks = 0;
        if (n < PONGS)
            memcpy(pongs + 2 * n++, "\r\n", 2);
    }
    if (c->rx.seen < c->rx.at)
        c->rx.seen = c->rx.at;
    if (n > 0)
        oh__conn_write(tcp, c, oh_span(pongs, 2 * (size_t)n), tcp->net->worker, 0);
}

/* True when the bytes that came since the last attempt can have completed a message, or made it
 * wrong. */
static bool worth_a_try(const struct oh__tcp *tcp, const struct oh__conn *c)
{
    uint32_t len = c->rx.n - c->rx.at;

    if (c->rx.need)
        return len >= c->rx.need;
    if (len > tcp->net->options->stream_limits.headers)
        return true;
    return memchr(c->rx.p + c->rx.seen, '\n', c->rx.n - c->rx.seen) != NULL;
}

/* The message is not whole: from its first byte on, its time runs. */
static void incomplete(struct oh__tcp *tcp, struct oh__conn *c)
{
    c->rx.seen = c->rx.n;
    if (c->message_at != OH__NEVER)
        return;
    c->message_at = tcp->net->now + tcp->net->options->message_timeout;
    oh__conn_arm(tcp, c);
}

/* With the headers there, the parser has said how long the message is. */
static uint32_t needed(const struct oh_msg *m)
{
    uint32_t length;

    if (m->body_at == 0 ||
        oh_span_u32(oh_msg_value(m, OH_HEADER_CONTENT_LENGTH), UINT32_MAX / 2, &length) != OH_OK)
        return 0;
    return m->body_at + length;
}

static void fill(struct oh__net_input *in, struct oh__net *net, const struct oh__conn *c)
{
    in->kind = OH__NET_MESSAGE;
    in->flow = c->flow;
    in->msg = &net->msg;
    in->bytes = net->msg.raw;
}

/* Frames the next message of a connection; false when there is none yet. */
static bool frame(struct oh__tcp *tcp, struct oh__conn *c, struct oh__net_input *in)
{
    struct oh__net *net = tcp->net;
    struct oh_span bytes;
    size_t used = 0;

    skip_blanks(tcp, c);
    /* The pong may have ended the connection. */
    if (c->state != OH__CONN_OPEN || c->rx.at == c->rx.n)
        return false;
    bytes = oh_span(c->rx.p + c->rx.at, c->rx.n - c->rx.at);
    /* Half a CRLF is no message either. */
    if (bytes.n == 1 && bytes.p[0] == '\r')
        return false;
    c->rx.blanks = 0;
    if (!worth_a_try(tcp, c)) {
        incomplete(tcp, c);
        return false;
    }
    in->parsed = oh_msg_parse(bytes, OH_MSG_STREAM, &net->options->stream_limits, &net->msg, &used,
                              &in->fault);
    if (in->parsed == OH_E_INCOMPLETE && bytes.n < tcp->rx_most) {
        c->rx.need = needed(&net->msg);
        incomplete(tcp, c);
        return false;
    }
    if (in->parsed == OH_E_INCOMPLETE)
        in->parsed = in->fault.code = OH_E_LIMIT;
    fill(in, net, c);
    c->rx.at += (uint32_t)(used < bytes.n ? used : bytes.n);
    c->rx.seen = c->rx.at;
    c->rx.need = 0;
    c->message_at = OH__NEVER;
    c->active = net->now;
    oh__count(&net->counters.rx_stream_messages, 1);
    if (in->parsed != OH_OK)
        oh__conn_doom(tcp, c);
    return true;
}

/* Puts a connection that has just delivered behind the others, or off to the next round. */
static void requeue(struct oh__tcp *tcp, struct oh__conn *c)
{
    if (c->state != OH__CONN_OPEN || (c->rx.at == c->rx.n && !c->has_ended))
        return;
    oh__conn_use(tcp, c);
    if (c->budget > 0)
        c->budget--;
    oh__conn_enqueue(c->budget > 0 ? &tcp->ready : &tcp->later, c);
}

bool oh__tcp_take(struct oh__tcp *tcp, struct oh__net_input *in)
{
    struct oh__conn *c;

    while ((c = tcp->ready.head) != NULL) {
        tcp->ready.head = c->next_ready;
        if (!c->next_ready)
            tcp->ready.tail = NULL;
        c->is_ready = false;
        if (c->state != OH__CONN_OPEN)
            continue;
        if (frame(tcp, c, in)) {
            requeue(tcp, c);
            return true;
        }
        if (c->has_ended && c->state == OH__CONN_OPEN)
            oh__conn_kill(tcp, c, OH_E_IO);
    }
    return false;
}
