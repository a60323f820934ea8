/*
 * Operations: what a caller sends, what a callee answers, and which answers end an operation. Every
 * request carries its operation's slot, generation and step in its branch, in hexadecimal of fixed
 * width, so an answer finds its operation without a table. Calls are complete: 180, 200, ACK and
 * BYE, along the route that the server recorded.
 *
 * What is lost is sent again after half a second, doubled each time (RFC 3261 17.1.2.2), and
 * counted: a run with resent requests has lost datagrams somewhere.
 */
#include "blast.h"

#define ID_HEX (8 + 8) /* slot and generation */
#define COOKIE "z9hG4bK"

static const char sdp[] = "v=0\r\n"
                          "o=bench 4711 4711 IN IP4 127.0.0.1\r\n"
                          "s=-\r\n"
                          "c=IN IP4 127.0.0.1\r\n"
                          "t=0 0\r\n"
                          "m=audio 40000 RTP/AVP 0\r\n"
                          "a=rtpmap:0 PCMU/8000\r\n";

/* Appends the address of one of our sockets. */
static void put_here(struct text *t, const struct link *l)
{
    TEXT(t, "127.0.0.1:");
    text_num(t, l->port);
}

/* Appends user@domain. */
static void put_aor(struct text *t, const struct blast *b, uint32_t user)
{
    text_user(t, user);
    TEXT(t, "@");
    text_str(t, b->config.domain);
}

/* Appends slot and generation: what an answer is found by. */
static void put_id(struct text *t, const struct blast *b, const struct op *op)
{
    text_hex(t, (uint32_t)(op - b->ops));
    text_hex(t, op->generation);
}

/* The rows that every request begins with. ACKs of a 2xx have a branch of their own (step 9). */
static void put_head(struct text *t, const struct blast *b, const struct op *op, unsigned step)
{
    const struct link *l = &b->links[op->link];

    TEXT(t, " SIP/2.0\r\nVia: SIP/2.0/");
    text_str(t, l->stream ? "TCP " : "UDP ");
    put_here(t, l);
    TEXT(t, ";branch=" COOKIE);
    put_id(t, b, op);
    text_num(t, step);
    TEXT(t, ";rport\r\nMax-Forwards: 70\r\n");
}

/* With --vary each operation's name has a length of its own, and so have all its messages, since
 * From comes back in every answer. */
static void put_name(struct text *t, const struct blast *b, const struct op *op)
{
    static const char more[] = "................................................................";

    TEXT(t, "\"Caller");
    if (b->config.vary)
        text_put(t, more, (op->generation * UINT32_C(2654435761)) >> 26);
    TEXT(t, "\" ");
}

/* From, To, Call-ID, CSeq; to is a header value, or empty for the called user. */
static void put_parties(struct text *t, const struct blast *b, const struct op *op, struct span to,
                        unsigned cseq)
{
    TEXT(t, "From: ");
    put_name(t, b, op);
    TEXT(t, "<sip:caller@");
    text_str(t, b->config.domain);
    TEXT(t, ">;tag=f");
    put_id(t, b, op);
    TEXT(t, "\r\nTo: ");
    if (to.n) {
        text_put(t, to.p, to.n);
    } else {
        TEXT(t, "<sip:");
        put_aor(t, b, op->user);
        TEXT(t, ">");
    }
    TEXT(t, "\r\nCall-ID: ");
    put_id(t, b, op);
    TEXT(t, "@bench\r\nCSeq: ");
    text_num(t, cseq);
}

/* Contact of a caller. */
static void put_contact(struct text *t, const struct blast *b, const struct op *op)
{
    TEXT(t, "Contact: <sip:caller@");
    put_here(t, &b->links[op->link]);
    TEXT(t, ">\r\n");
}

static void put_register(struct text *t, const struct blast *b, const struct op *op,
                         struct span challenge)
{
    char uri[160];
    struct text u = {.p = uri, .size = sizeof uri - 1};

    TEXT(&u, "sip:");
    text_str(&u, b->config.domain);
    uri[u.n] = 0;
    TEXT(t, "REGISTER ");
    text_put(t, u.p, u.n);
    put_head(t, b, op, op->step);
    TEXT(t, "From: ");
    put_name(t, b, op);
    TEXT(t, "<sip:");
    put_aor(t, b, op->user);
    TEXT(t, ">;tag=f");
    text_hex(t, op->generation);
    TEXT(t, "\r\nTo: <sip:");
    put_aor(t, b, op->user);
    TEXT(t, ">\r\nCall-ID: ");
    put_id(t, b, op);
    TEXT(t, "@bench\r\nCSeq: ");
    text_num(t, op->step);
    TEXT(t, " REGISTER\r\nContact: <sip:");
    text_user(t, op->user);
    TEXT(t, "@");
    put_here(t, &b->links[op->link]);
    if (b->config.stream)
        TEXT(t, ";transport=tcp");
    TEXT(t, ">\r\nExpires: 3600\r\n");
    if (challenge.n && !digest_put(t, challenge, op->user, uri))
        t->cut = true;
    TEXT(t, "User-Agent: bench\r\nContent-Length: 0\r\n\r\n");
}

static void put_options(struct text *t, const struct blast *b, const struct op *op)
{
    TEXT(t, "OPTIONS sip:");
    text_str(t, b->config.domain);
    put_head(t, b, op, op->step);
    put_parties(t, b, op, (struct span){0}, 1);
    TEXT(t, " OPTIONS\r\n");
    put_contact(t, b, op);
    TEXT(t, "User-Agent: bench\r\nContent-Length: 0\r\n\r\n");
}

static void put_message(struct text *t, const struct blast *b, const struct op *op)
{
    TEXT(t, "MESSAGE sip:");
    put_aor(t, b, op->user);
    put_head(t, b, op, op->step);
    put_parties(t, b, op, (struct span){0}, 1);
    TEXT(t, " MESSAGE\r\nUser-Agent: bench\r\nContent-Type: text/plain\r\n"
            "Content-Length: 12\r\n\r\nhello, there");
}

static void put_invite(struct text *t, const struct blast *b, const struct op *op)
{
    TEXT(t, "INVITE sip:");
    put_aor(t, b, op->user);
    put_head(t, b, op, op->step);
    put_parties(t, b, op, (struct span){0}, 1);
    TEXT(t, " INVITE\r\n");
    put_contact(t, b, op);
    TEXT(t, "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r\nSupported: replaces\r\n"
            "User-Agent: bench\r\nContent-Type: application/sdp\r\nContent-Length: ");
    text_num(t, sizeof sdp - 1);
    TEXT(t, "\r\n\r\n");
    TEXT(t, sdp);
}

/* The URI inside the angle brackets of a Contact, or all of it. */
static struct span contact_uri(struct span contact)
{
    const char *open = span_find(contact, "<"), *close = span_find(contact, ">");

    if (!open || !close)
        return contact;
    return (struct span){open + 1, (size_t)(close - open - 1)};
}

/*
 * A request within the dialog that a 2xx made (RFC 3261 12.2.1.1): to its Contact, along its
 * Record-Route in reverse. Rows are reversed and the values within a row are not: a single proxy
 * writes one value to a row, or two that lead back to itself in either order.
 */
static void put_in_dialog(struct text *t, const struct blast *b, const struct op *op,
                          const struct message *m, bool ack)
{
    struct span uri = contact_uri(m->contact);

    text_str(t, ack ? "ACK " : "BYE ");
    text_put(t, uri.p, uri.n);
    put_head(t, b, op, ack ? 9 : op->step);
    for (unsigned i = m->record_routes; i-- > 0;) {
        TEXT(t, "Route: ");
        text_put(t, m->record_route[i].p, m->record_route[i].n);
        TEXT(t, "\r\n");
    }
    put_parties(t, b, op, m->to, ack ? 1 : 2);
    text_str(t, ack ? " ACK\r\n" : " BYE\r\n");
    TEXT(t, "Content-Length: 0\r\n\r\n");
}

/* The ACK of a refused INVITE goes hop by hop, on the INVITE's own branch (17.1.1.3). */
static void put_refused_ack(struct text *t, const struct blast *b, const struct op *op,
                            struct span to)
{
    TEXT(t, "ACK sip:");
    put_aor(t, b, op->user);
    put_head(t, b, op, 1);
    put_parties(t, b, op, to, 1);
    TEXT(t, " ACK\r\nContent-Length: 0\r\n\r\n");
}

static void send_text(struct blast *b, unsigned link, const struct text *t)
{
    if (t->cut)
        return; /* never with names of ours; the operation fails by itself */
    link_put(&b->links[link], t->p, t->n);
    b->counts.sent++;
}

/* Writes the request that is due by mode and step, keeps it, sends it. */
static void send_request(struct blast *b, struct op *op, const struct message *m)
{
    uint32_t slot = (uint32_t)(op - b->ops);
    struct text t = {.p = b->last[slot], .size = DATAGRAM};

    switch (b->mode) {
    case OPTIONS: put_options(&t, b, op); break;
    case REGISTER:
    case DIGEST: put_register(&t, b, op, m ? m->challenge : (struct span){0}); break;
    case MESSAGE: put_message(&t, b, op); break;
    default:
        if (op->step == 1)
            put_invite(&t, b, op);
        else
            put_in_dialog(&t, b, op, m, false);
    }
    op->n = (uint16_t)t.n;
    op->tries = 0;
    op->began = b->now;
    op->resend_at = b->now + b->config.resend_ns;
    send_text(b, op->link, &t);
}

bool op_begin(struct blast *b, uint64_t due)
{
    struct op *op;

    if (!b->free_n)
        return false;
    op = &b->ops[b->free[--b->free_n]];
    op->due = due;
    op->generation = ++b->generation;
    op->user = b->next_user;
    b->next_user = (b->next_user + 1) % b->config.users;
    op->step = 1;
    op->rang = false;
    /* Callers and callees have sockets of their own; who registers is a callee. */
    op->link = (uint16_t)(op->generation % b->config.ports);
    if (b->mode == REGISTER || b->mode == DIGEST)
        op->link = (uint16_t)(b->config.ports + op->user % b->config.ports);
    b->counts.begun++;
    b->left--;
    send_request(b, op, NULL);
    return true;
}

/* An operation is over. A closed loop begins the next at once. */
static void end_op(struct blast *b, struct op *op, bool well, unsigned code)
{
    uint32_t slot = (uint32_t)(op - b->ops);

    if (well) {
        b->counts.done++;
        hist_add(&b->counts.latency, b->now - op->due);
    } else {
        b->counts.failed++;
        b->counts.last_code = code;
    }
    op->resend_at = 0;
    if (b->answer)
        b->answer_n[slot] = 0;
    b->free[b->free_n++] = slot;
    if (b->more && b->left)
        op_begin(b, b->now);
}

/* The operation that a branch or Call-ID of ours names; NULL when it has ended. */
static struct op *find_op(struct blast *b, const char *p, const char *end, char *step)
{
    uint32_t slot, generation;
    struct op *op;

    if (!p || end - p < ID_HEX + 1 || !span_hex(p, end, &slot) ||
        !span_hex(p + 8, end, &generation) || slot >= b->config.window)
        return NULL;
    op = &b->ops[slot];
    *step = p[ID_HEX];
    return op->resend_at && op->generation == generation ? op : NULL;
}

/* A final response to an INVITE: a call goes on with ACK and BYE, or has failed. */
static void on_invite_final(struct blast *b, struct op *op, const struct message *m)
{
    char room[DATAGRAM];
    struct text t = {.p = room, .size = sizeof room};

    if (m->code < 300) {
        put_in_dialog(&t, b, op, m, true);
        send_text(b, op->link, &t);
        op->step = 2;
        send_request(b, op, m);
        return;
    }
    put_refused_ack(&t, b, op, m->to);
    send_text(b, op->link, &t);
    end_op(b, op, b->mode == RING && m->code == 486, m->code);
}

static void on_response(struct blast *b, const struct message *m, size_t n)
{
    const char *cookie = span_find(m->via[0], COOKIE), *end = m->via[0].p + m->via[0].n;
    char step;
    struct op *op = find_op(b, cookie ? cookie + sizeof COOKIE - 1 : NULL, end, &step);

    if (!op || step != '0' + op->step)
        return;
    if (m->code < 200) {
        /* It has arrived: an INVITE is not sent again (RFC 3261 17.1.1.2). */
        op->resend_at = b->now + b->config.patience_ns;
        if (m->code > 100 && !op->rang) {
            op->rang = true;
            b->counts.ringing++;
        }
        return;
    }
    if ((b->mode == CALL || b->mode == RING) && op->step == 1) {
        on_invite_final(b, op, m);
    } else if (b->mode == DIGEST && m->code == 401 && op->step == 1) {
        op->step = 2;
        send_request(b, op, m);
    } else {
        b->counts.reply_bytes += n;
        end_op(b, op, m->code < 300, m->code);
    }
}

/* Copies what every response takes from its request (RFC 3261 8.2.6.2); as phone "callee". */
static void put_reply(struct text *t, const struct message *m, const char *line,
                      const struct link *l)
{
    text_str(t, line);
    for (unsigned i = 0; i < m->vias; i++) {
        TEXT(t, "Via: ");
        text_put(t, m->via[i].p, m->via[i].n);
        TEXT(t, "\r\n");
    }
    for (unsigned i = 0; i < m->record_routes; i++) {
        TEXT(t, "Record-Route: ");
        text_put(t, m->record_route[i].p, m->record_route[i].n);
        TEXT(t, "\r\n");
    }
    TEXT(t, "From: ");
    text_put(t, m->from.p, m->from.n);
    TEXT(t, "\r\nTo: ");
    text_put(t, m->to.p, m->to.n);
    if (!span_find(m->to, "tag="))
        TEXT(t, ";tag=callee");
    TEXT(t, "\r\nCall-ID: ");
    text_put(t, m->call_id.p, m->call_id.n);
    TEXT(t, "\r\nCSeq: ");
    text_put(t, m->cseq.p, m->cseq.n);
    TEXT(t, "\r\nContact: <sip:callee@");
    put_here(t, l);
    TEXT(t, ">\r\n");
}

/* Sends a response of the callee, with a session description or without a body. */
static void reply(struct blast *b, unsigned link, const struct message *m, const char *line,
                  bool body)
{
    char room[DATAGRAM];
    struct text t = {.p = room, .size = sizeof room};

    put_reply(&t, m, line, &b->links[link]);
    if (body) {
        TEXT(&t, "Content-Type: application/sdp\r\nContent-Length: ");
        text_num(&t, sizeof sdp - 1);
        TEXT(&t, "\r\n\r\n");
        TEXT(&t, sdp);
    } else {
        TEXT(&t, "Content-Length: 0\r\n\r\n");
    }
    send_text(b, link, &t);
}

/* ring: writes the answer that will be given when the calls have rung for long enough. */
static void keep_answer(struct blast *b, unsigned link, const struct message *m)
{
    char step;
    struct op *op = find_op(b, m->call_id.p, m->call_id.p + m->call_id.n, &step);
    uint32_t slot = op ? (uint32_t)(op - b->ops) : 0;
    struct text t;

    if (!op)
        return;
    t = (struct text){.p = b->answer[slot], .size = DATAGRAM};
    put_reply(&t, m, "SIP/2.0 486 Busy Here\r\n", &b->links[link]);
    TEXT(&t, "Content-Length: 0\r\n\r\n");
    b->answer_n[slot] = t.cut ? 0 : (uint16_t)t.n;
}

static void on_request(struct blast *b, unsigned link, const struct message *m)
{
    if (memcmp(m->start.p, "ACK ", 4) == 0)
        return;
    if (memcmp(m->start.p, "INVITE ", 7) != 0) {
        reply(b, link, m, "SIP/2.0 200 OK\r\n", false);
        return;
    }
    reply(b, link, m, "SIP/2.0 180 Ringing\r\n", false);
    if (b->mode == RING)
        keep_answer(b, link, m);
    else
        reply(b, link, m, "SIP/2.0 200 OK\r\n", true);
}

void op_receive(void *ctx, unsigned link, const char *p, size_t n)
{
    struct blast *b = ctx;
    struct message m;

    b->counts.received++;
    if (!message_read(p, n, &m))
        return;
    if (m.code)
        on_response(b, &m, n);
    else if (m.start.n > 7)
        on_request(b, link, &m);
}

void ops_resend(struct blast *b)
{
    for (uint32_t i = 0; i < b->config.window; i++) {
        struct op *op = &b->ops[i];

        if (!op->resend_at || b->now < op->resend_at)
            continue;
        if (b->now - op->began >= b->config.patience_ns) {
            end_op(b, op, false, 0);
            continue;
        }
        op->tries++;
        op->resend_at = b->now + (b->config.resend_ns << (op->tries < 3 ? op->tries : 3));
        link_put(&b->links[op->link], b->last[i], op->n);
        b->counts.sent++;
        b->counts.resent++;
    }
}

bool ops_release(struct blast *b, uint32_t *next)
{
    for (unsigned few = BATCH; few && *next < b->config.window; (*next)++) {
        const struct op *op = &b->ops[*next];

        if (!op->resend_at || !b->answer_n[*next])
            continue;
        link_put(&b->links[b->config.ports + op->user % b->config.ports], b->answer[*next],
                 b->answer_n[*next]);
        b->counts.sent++;
        few--;
    }
    return *next < b->config.window;
}
