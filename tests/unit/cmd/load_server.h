/*
 * A server for tests of `offhook load`, in a thread of its own on loopback: it
 * answers, refuses, challenges, stays silent, or forwards as a record-routing
 * proxy does, and can lose chosen messages on the way.
 */
#ifndef TESTS_CMD_LOAD_SERVER_H
#define TESTS_CMD_LOAD_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include <offhook/method.h>

#include "net/net.h"

/* What to do, and what was seen; the first part is set before the start. */
struct load_server {
    unsigned code;        /* final response to all but what is forwarded; 0 = none at all */
    const char *password; /* of everybody: REGISTER is challenged for it; NULL = nobody is */
    bool proxy;           /* forward INVITE, ACK, BYE and MESSAGE to the contact, record-routing */
    bool strict;          /* the Record-Route is that of a strict router */
    unsigned lose_requests; /* so many requests are dropped first */
    unsigned silent_after;  /* behind so many requests it says nothing any more; 0 = it goes on */
    unsigned lose_answers;  /* so many 200s of an INVITE are dropped on their way to the caller */

    atomic_uint seen[OH_METHOD_COUNT]; /* requests received by method, dropped ones included */
    atomic_uint wrong;                 /* requests that were not as they should be */
    atomic_uint credentials, nc_max; /* REGISTER with right credentials, and their highest count */
    atomic_uint signed_off;          /* REGISTER with Expires: 0 */

    struct oh_addr addr;
    struct oh__net_shared *shared;
    struct oh__net *net;
    pthread_t thread;
    atomic_int stop;
    struct oh_hasher *hasher;
    struct oh_msg msg;
    unsigned requests; /* that were not lost */
    unsigned users_n;
    struct {
        char aor[64], contact[64];
    } users[64];
};

/* Starts the server; its address is in addr, its "host:port" in target. */
void load_server_start(struct load_server *s, char target[OH_ADDR_TEXT_MAX]);

/* Stops and ends it. */
void load_server_stop(struct load_server *s);

#endif
