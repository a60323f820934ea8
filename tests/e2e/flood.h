/*
 * What the parts of the flood generator share: strangers that try to hurt a
 * server, and phones that measure whether they succeed. It knows nothing of
 * the library: messages are put together with snprintf and read with plain
 * searches, so that no mistake of the product's parser can hide here.
 */
#ifndef TESTS_E2E_FLOOD_H
#define TESTS_E2E_FLOOD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATAGRAM_MAX 65507
#define NONCE_MAX    128
#define SOURCES_MAX  4096

#define SOURCE_TRUSTED UINT32_MAX /* 127.0.0.1 */

struct options {
    const char *kind;
    struct sockaddr_in to;
    char host[64];         /* of `to`, "127.0.0.1:5060" */
    unsigned seconds;      /* how long */
    uint64_t rate;         /* messages a second; 0: as many as go */
    unsigned sources;      /* addresses to send from */
    unsigned source_first; /* number of the first of them */
    unsigned connections;  /* of the kinds that hold some */
    const char *user;      /* whose password is known */
    const char *password;
    const char *victim;  /* who is called, or whose password is guessed */
    const char *contact; /* `bind`: contacts begin so, and end with a number; NULL: the socket's */
    int watch;           /* process whose memory is measured; 0: none */
};

/* A part of a message. */
struct piece {
    const char *p;
    size_t n;
};

/* ---- flood_text.c ---- */

/* Nanoseconds of the monotonic clock. */
uint64_t clock_ns(void);

/* A fast generator; what strangers send needs no secrets. */
uint64_t random_u64(void);

/* The value of the k-th row with this name (from 0, without case, no compact forms); p NULL: none.
 */
struct piece header_of(const char *message, const char *name, unsigned k);

/* A parameter's value, quotes removed; p NULL: none. */
struct piece param_of(struct piece value, const char *name);

/* The status of a response, 0 for a request. */
unsigned status_of(const char *message);

/* Copies a piece, cut to cap - 1 bytes and terminated. */
void copy_piece(struct piece from, char *to, size_t cap);

/* What answers a challenge of this server. */
struct login {
    char user[64], password[64];
    char realm[128], nonce[NONCE_MAX];
    uint32_t nc;
};

/* Takes realm and nonce out of a 401 or 407; false when it is none. */
bool login_challenge(struct login *l, const char *message);

/* Writes the whole row (qop=auth, MD5), with the next nc. is_right false: a wrong response. Returns
 * its length. */
size_t login_row(struct login *l, bool proxy, const char *method, const char *uri, bool is_right,
                 char *out, size_t cap);

/* Gets a challenge for o->user, or learns that none is asked of it. flood_login.c. */
bool login_begin(const struct options *o, int fd, struct login *l);

/* Registers o->user with o->connections contacts, or with the socket's address. */
bool login_bind(const struct options *o, int fd, struct login *l);

/* A UDP socket bound to the n-th address of 127/8 (port 0: any), or a TCP one that is connected;
 * -1: errno. */
int source_socket(unsigned n, uint16_t port);
int source_connect(unsigned n, const struct sockaddr_in *to, int receive_buffer);

/* Proportional set size of a process in KiB; 0 when it has gone. */
unsigned long pss_of(int pid);

/* ---- the programs: exit status ---- */

/* flood_udp.c: kinds of datagrams. 2 when there is no such kind. */
int flood_udp(const struct options *o);

/* flood_login.c: registers contacts for a user, wherever they point to. */
int flood_bind(const struct options *o);

/* flood_tcp.c: kinds of connections. 2 when there is no such kind. */
int flood_tcp(const struct options *o);

/* flood_phone.c: well-behaved phones; a line of figures for each SIGUSR1 and at the end. */
int flood_phones(const struct options *o);

#endif
