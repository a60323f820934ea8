/*
 * What the parts of the generator share. It knows nothing of the library that it measures: messages
 * are put together and taken apart with plain string functions, so that a mistake in the parser
 * cannot hide in here as well.
 */
#ifndef BENCH_BLAST_H
#define BENCH_BLAST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hist.h"

#define DATAGRAM 2048 /* no message of ours or of a server is longer */
#define BATCH    64   /* datagrams per system call */
#define LINKS    512  /* sockets, callers' and callees' together */
#define PIDS     8
#define ROWS     8 /* rows of one header that are kept: a single proxy adds one or two */

/* ---- text, blast_text.c ---- */

struct span {
    const char *p;
    size_t n;
};

/* A bounded writer. What does not fit is cut, and remembered. */
struct text {
    char *p;
    size_t n, size;
    bool cut;
};

/* Appends bytes. */
static inline void text_put(struct text *t, const char *p, size_t n)
{
    if (n > t->size - t->n) {
        t->cut = true;
        return;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

#define TEXT(t, literal) text_put(t, literal, sizeof(literal) - 1)

/* Appends a C string, a decimal number, a user's name, a number as 8 hexadecimal digits. */
void text_str(struct text *t, const char *s);
void text_num(struct text *t, uint64_t v);
void text_user(struct text *t, uint32_t user);
void text_hex(struct text *t, uint32_t v);

/* The headers of a message that the generator looks at; spans point into the message. */
struct message {
    struct span start;
    struct span via[ROWS], record_route[ROWS]; /* values */
    unsigned vias, record_routes;
    struct span from, to, call_id, cseq, contact, challenge;
    unsigned code; /* status of a response; 0 = a request */
};

/* Finds the rows of a message; false when it has no end or no row that an answer needs. */
bool message_read(const char *p, size_t n, struct message *m);

/* The value of a parameter like nonce= of a header value, without quotes; n = 0 when absent. */
struct span span_param(struct span value, const char *name);

/* Where a word stands in a span; NULL when it does not. */
const char *span_find(struct span in, const char *word);

/* Reads 8 hexadecimal digits; false when they are none. */
bool span_hex(const char *p, const char *end, uint32_t *out);

/* ---- sockets, blast_wire.c ---- */

/* A phone's socket: a UDP port, or a TCP connection, to the server. */
struct link {
    int fd;
    uint16_t port;
    bool stream;
    unsigned n;           /* messages that wait to be sent */
    uint16_t size[BATCH]; /* their lengths */
    char (*out)[DATAGRAM];
    char *in; /* a stream's bytes up to the end of a message */
    size_t in_n;
};

/* What arrives at a link, one message at a time. */
typedef void link_handler(void *ctx, unsigned link, const char *p, size_t n);

/* Opens a socket to the server, of the kind and from the port that the link says (0 = any), and
 * adds it to epoll under its number; 0 or errno. */
int link_open(struct link *l, unsigned number, int epoll, const struct sockaddr_in *server);

/* Puts a message in line; the line is sent when it is full or flushed. */
void link_put(struct link *l, const char *p, size_t n);

/* Sends what waits. */
void link_flush(struct link *l);

/* Reads what has arrived, at most a batch, and hands it on; how many messages it was. */
unsigned link_receive(struct link *l, unsigned number, link_handler *handler, void *ctx);

/* ---- digest, blast_digest.c ---- */

/* Appends the Authorization row that answers a challenge for a REGISTER; false when it cannot. */
bool digest_put(struct text *t, struct span challenge, uint32_t user, const char *uri);

/* ---- operations, blast_ops.c ---- */

enum mode { OPTIONS, REGISTER, DIGEST, MESSAGE, CALL, RING, MODES };

struct config {
    enum mode mode;
    struct sockaddr_in server;
    const char *domain;
    uint32_t users;
    uint32_t window;  /* operations in flight: all the time, or at most when there is a rate */
    uint32_t ports;   /* callers' sockets, and as many callees' */
    uint64_t rate;    /* operations per second; 0 = as many as the window allows */
    uint64_t count;   /* stop after so many; 0 = after the time */
    uint64_t run_ns;  /* how long operations are begun */
    uint64_t warm_ns; /* the same before anything is counted */
    uint64_t hold_ns; /* ring: how long calls ring */
    uint64_t resend_ns, patience_ns;
    uint16_t callee; /* port of the first callee; 0 = any */
    bool auth, stream, registered;
    bool vary;      /* no two operations in a row have messages of one length */
    int pids[PIDS]; /* server processes, whose children count too */
    unsigned pids_n;
};

/* One operation. What is resent lies apart, so that looking for due ones stays in the cache. */
struct op {
    uint64_t due;        /* when it was to begin: latency counts from here */
    uint64_t resend_at;  /* when the request goes out once more; 0 = the slot is free */
    uint64_t began;      /* when it began */
    uint32_t generation; /* tells apart who had the slot before */
    uint32_t user;
    uint16_t link; /* where its requests go out */
    uint16_t n;    /* length of its last request */
    uint8_t step;  /* which of its requests is under way: 1, 2 */
    uint8_t tries;
    bool rang;
};

struct counts {
    uint64_t begun, done, failed, resent, skipped, ringing;
    uint64_t sent, received; /* messages */
    uint64_t reply_bytes;    /* of the responses that ended an operation well */
    unsigned last_code;      /* of the newest failure; 0 = no answer */
    struct hist latency;
};

struct blast {
    struct config config;
    enum mode mode; /* of the phase under way: callees register first */
    struct link links[LINKS];
    int epoll;
    struct op *ops;
    char (*last)[DATAGRAM];   /* of each operation: its last request */
    char (*answer)[DATAGRAM]; /* ring: of each operation, what the callee will answer */
    uint16_t *answer_n;
    uint32_t *free; /* slots */
    uint32_t free_n;
    uint32_t generation, next_user;
    uint64_t left; /* operations that may still begin */
    bool more;     /* the next one begins when one ends */
    uint64_t now;
    struct counts counts;
};

/* Monotonic time in nanoseconds. */
uint64_t clock_ns(void);

/* Begins an operation that was due at that time; false when no slot is free. */
bool op_begin(struct blast *b, uint64_t due);

/* A message has arrived at a link (a link_handler; ctx is the struct blast). */
void op_receive(void *ctx, unsigned link, const char *p, size_t n);

/* Sends again what has waited too long, and gives up what has waited for longer. */
void ops_resend(struct blast *b);

/* ring: sends the callee's answer of the next operations, a few; false when there is none left. */
bool ops_release(struct blast *b, uint32_t *next);

#endif
