/*
 * The load generator behind `offhook load`. It is an open-loop instrument
 * first: requests leave by a schedule that was fixed before the run, and
 * latency counts from the scheduled time, so a server that stalls cannot make
 * the generator wait with it and hide the stall (coordinated omission).
 *
 * A worker is a thread with its own sockets, users, operations and figures;
 * workers share nothing while they run but a stop flag and counters for the
 * live line. Within a worker no operation costs a heap call: an operation is a
 * slot of an array, messages are rendered out of compiled templates, and a
 * response names its slot in the branch.
 *
 *   load_options.c  words of the command line  -> oh__load_config
 *   load_plan.c     what is to happen when     -> oh__load_plan, oh__load_schedule
 *   load_search.c   where a ramp goes on, and when it has found the limit
 *   load_lap.c      what happens between two laps of it
 *   load_users.c    who calls whom
 *   load_text.c     templates
 *   load_view.c     what is looked at in a message
 *   load_hist.c     latencies
 *   load_engine.c   the worker: slots, timers, its loop
 *   load_ops.c      the client side of every operation
 *   load_way.c      datagrams, or connections
 *   load_dialog.c   route sets
 *   load_auth.c     digest
 *   load_callee.c   the phone that is called
 *   load_report.c   the live line, the table, JSON
 *   load.c          the command
 */
#ifndef OH_CMD_LOAD_H
#define OH_CMD_LOAD_H

#include <stdatomic.h>

#include <offhook/digest.h>
#include <offhook/msg.h>

#include "base/hash.h"
#include "base/wheel.h"
#include "cmd/cmd.h"
#include "cmd/load_view.h"
#include "net/net.h"

/* ---- latencies, load_hist.c ---- */

/*
 * Values in nanoseconds fall into buckets that are 1/128 of their size wide
 * (0.8 %), so a percentile is right in its first two digits whether it is 20
 * microseconds or 20 seconds. What is longer than 2^40 ns (18 minutes) counts
 * as that long.
 */
#define OH__HIST_BITS    7
#define OH__HIST_TOP     40
#define OH__HIST_BUCKETS ((OH__HIST_TOP - OH__HIST_BITS + 1) << OH__HIST_BITS)

/* All zeros is an empty one. */
struct oh__hist {
    uint64_t n;        /* values */
    uint64_t sum, max; /* ns, exact */
    uint64_t counts[OH__HIST_BUCKETS];
};

/* Counts one value, in ns. */
void oh__hist_add(struct oh__hist *h, uint64_t value);

/* Adds all of another histogram. */
void oh__hist_merge(struct oh__hist *h, const struct oh__hist *other);

/*
 * The smallest value (ns) that at least `part` of all values do not exceed, rounded up to its
 * bucket's end and never above the largest value there was; part is 0 .. 1. 0 when it is empty.
 */
uint64_t oh__hist_at(const struct oh__hist *h, double part);

/* The arithmetic mean in ns, 0 when it is empty. */
uint64_t oh__hist_mean(const struct oh__hist *h);

/* ---- what was asked for, load_options.c ---- */

enum oh__load_kind { OH__LOAD_OPTIONS, OH__LOAD_REGISTER, OH__LOAD_MESSAGE, OH__LOAD_CALL };

#define OH__LOAD_HOST_MAX     256
#define OH__LOAD_FORMAT_MAX   64
#define OH__LOAD_PASSWORD_MAX 128
#define OH__LOAD_USERS_MAX    1000000
#define OH__LOAD_THREADS_MAX  64
#define OH__LOAD_SLOTS_MAX    (UINT32_C(1) << 20) /* operations in flight, of all workers */

struct oh__load_config {
    enum oh__load_kind kind;
    char host[OH__LOAD_HOST_MAX]; /* name, or address literal without brackets */
    uint16_t port;
    uint8_t transport;              /* OH_TRANSPORT_UDP or OH_TRANSPORT_TCP */
    char domain[OH__LOAD_HOST_MAX]; /* behind the "@" of our users */
    double rate;                    /* operations per second; 0 = closed loop */
    double ramp_to;                 /* last rate of a ramp that begins with `rate`; 0 = none */
    unsigned ramp_steps;
    uint64_t ramp_step; /* ns that one step of the ramp lasts */
    uint32_t window;    /* closed loop: operations in flight; 0 = open loop */
    uint64_t duration;  /* ns; 0 = until count */
    uint64_t count;     /* operations; 0 = until duration */
    uint64_t warmup;    /* ns at the beginning that are not counted */
    uint64_t hold;      /* ns from answer to BYE */
    uint64_t timeout; /* ns until a request without final response has failed; 64*T1 unless told */
    uint64_t p99_max; /* ns; a step of a ramp that is slower was not held */
    uint64_t max_failures; /* the run ends above; OH__NEVER = whatever happens */
    uint32_t users;
    uint32_t slots;   /* operations in flight at most, of all workers; 0 = by rate and hold */
    uint32_t expires; /* seconds that REGISTER asks for */
    unsigned threads, ports; /* ports: source ports, or connections, of each thread */
    char user_format[OH__LOAD_FORMAT_MAX];
    char password_format[OH__LOAD_PASSWORD_MAX]; /* "" = none; without a place for the number it is
                                                    everybody's password */
    const char *accounts;                        /* file of user@domain,password; NULL = none */
    bool register_first, own, json;
};

/* Reads the arguments of `load KIND`. OH__EXIT_OK, or another status after a sentence on stderr. */
int oh__load_config_read(const struct oh__args *args, struct oh__load_config *out);

/* Reads "10", "1.5s", "250ms", "2m", "1h" as ns; without a unit it is in `unit` ns. False when it
 * is no time, or longer than a year. */
bool oh__load_time_read(const char *text, uint64_t unit, uint64_t *out);

/* Reads "500", "500/s", "0.5": more than 0 and at most 1,000,000. */
bool oh__load_rate_read(const char *text, double *out);

/* What a target says. */
struct oh__load_where {
    char host[OH__LOAD_HOST_MAX]; /* without brackets */
    uint16_t port;                /* 5060 when absent */
    bool with_port;               /* it was there */
    uint8_t transport;            /* OTHER when it does not say */
};

/*
 * Reads "[sip:|udp:|tcp:]host[:port][;transport=udp|tcp]". NULL, or a static phrase that says what
 * is wrong.
 */
const char *oh__load_target_read(const char *text, struct oh__load_where *out);

/* True for addresses that load may go to without a question: loopback, private and link-local. */
bool oh__load_addr_is_near(const struct oh_addr *a);

/* ---- what happens when, load_plan.c ---- */

#define OH__LOAD_RAMP_MAX 100 /* steps that a ramp may have */
#define OH__LOAD_RETRIES  3   /* rates that are tried a second time */
#define OH__LOAD_HALVINGS 5   /* rates between one that was held and one that was not */

/* What a search adds to a ramp: retries, each with a few steps that had begun before its failure
 * was seen, and halvings. */
#define OH__LOAD_SEARCH_MAX (3 * OH__LOAD_RETRIES + OH__LOAD_HALVINGS)
#define OH__LOAD_STEPS_MAX  (OH__LOAD_RAMP_MAX + 1 + OH__LOAD_SEARCH_MAX)

struct oh__load_step {
    uint64_t from, until; /* ns since the start; until = OH__NEVER when only the count ends it */
    double rate;          /* operations per second; 0 = closed loop */
    bool counted;         /* not the warm-up */
};

struct oh__load_plan {
    unsigned n; /* steps */
    struct oh__load_step steps[OH__LOAD_STEPS_MAX];
    uint64_t count; /* counted operations in all; OH__NEVER = no bound */
};

/* Makes the plan of a run. */
void oh__load_plan_make(const struct oh__load_config *config, struct oh__load_plan *out);

/* The step that a time since the start belongs to; the last one for what is later. */
unsigned oh__load_plan_at(const struct oh__load_plan *plan, uint64_t since_start);

/*
 * One worker's part of the constant schedule: of operations 0, 1, 2 ... of a step the worker
 * takes every `of`-th, so that all workers together are one even stream.
 */
struct oh__load_schedule {
    const struct oh__load_plan *plan;
    unsigned index, of; /* this worker, and how many there are */
    unsigned step;
    uint64_t done; /* of this step, by this worker */
};

/* Starts at the first step. */
void oh__load_schedule_init(struct oh__load_schedule *s, const struct oh__load_plan *plan,
                            unsigned index, unsigned of);

/* When this worker's next operation is due (ns since the start) and in which step; false when the
 * plan is over. Does not move on: oh__load_schedule_take does. */
bool oh__load_schedule_peek(struct oh__load_schedule *s, uint64_t *at, unsigned *step);

/* The operation that was seen last is under way. */
void oh__load_schedule_take(struct oh__load_schedule *s);

/* How many of n things are the index-th part's when `of` share them as evenly as can be. */
uint64_t oh__load_share(uint64_t n, unsigned index, unsigned of);

/* ---- the search for a limit, load_search.c ---- */

enum oh__load_search_phase { OH__SEARCH_CLIMBING, OH__SEARCH_RETRYING, OH__SEARCH_HALVING };

struct oh__load_search {
    enum oh__load_search_phase phase;
    unsigned n, at; /* rates of the ramp, and the first that has not been held */
    double rates[OH__LOAD_RAMP_MAX];
    double held, missed; /* the highest that was, and the lowest that was not; 0 = none */
    unsigned retries, halvings;
    unsigned steps_max; /* that the plan may come to have */
    uint64_t step;      /* ns that each rate lasts */
};

/* Starts with the plan of a ramp; for any other run there is nothing to search. */
void oh__load_search_init(struct oh__load_search *s, const struct oh__load_config *config,
                          const struct oh__load_plan *plan);

/*
 * A lap is over, of whose counted steps the first `held` were held; those behind the first that was
 * not have to be cut off the plan, which may have been cut short itself. Appends the next lap's
 * steps; false when the limit is found, or the ramp at its end.
 */
bool oh__load_search_next(struct oh__load_search *s, unsigned held, struct oh__load_plan *plan);

/* ---- templates, load_text.c ---- */

/* The places of a template, {name} in its text, and what is put there. */
#define OH__LOAD_HOLES(X)                                   \
    X(uri, "the Request-URI")                               \
    X(id, "the operation")                                  \
    X(txn, "the transaction in it")                         \
    X(proto, "the transport, as Via has it")                \
    X(self, "our address and port")                         \
    X(contact, "the same, with a transport other than UDP") \
    X(ip, "our address as a host")                          \
    X(user, "who asks, as a URI")                           \
    X(name, "the same, only the name")                      \
    X(peer, "who is asked, as a URI")                       \
    X(cseq, "the number of CSeq")                           \
    X(auth, "rows with credentials")                        \
    X(routes, "rows with routes")                           \
    X(to, "the value of To, with its tag")                  \
    X(expires, "seconds of a registration")                 \
    X(sdp, "a session description")                         \
    X(sdp_n, "its length")

enum oh__load_hole {
#define OH__LOAD_HOLE_ENUM(name, what) OH__HOLE_##name,
    OH__LOAD_HOLES(OH__LOAD_HOLE_ENUM)
#undef OH__LOAD_HOLE_ENUM
        OH__HOLE_COUNT
};

#define OH__LOAD_PIECES_MAX 40

/* A text cut at its places once, so that rendering is a handful of copies. */
struct oh__load_template {
    unsigned n;
    struct {
        struct oh_span literal; /* before the hole; lives in the text that was compiled */
        uint8_t hole;           /* OH__HOLE_COUNT = none */
    } pieces[OH__LOAD_PIECES_MAX];
};

/* Compiles a text that outlives the template. OH_OK, OH_E_NOTFOUND for a name that is no place,
 * OH_E_SYNTAX for a brace that is not closed, OH_E_LIMIT for too many pieces. */
int oh__load_template_compile(struct oh_span text, struct oh__load_template *out);

/* Writes the text with its places filled. */
void oh__load_template_render(const struct oh__load_template *t,
                              const struct oh_span values[OH__HOLE_COUNT], struct oh_buf *out);

/* Writes n into a format with one %d, %0Nd or none, and %% for a percent sign. OH_OK, OH_E_SYNTAX
 * for anything else behind a percent sign. */
int oh__load_format(struct oh_span format, uint64_t n, struct oh_buf *out);

/* True when the format has a place for a number. */
bool oh__load_format_has_number(struct oh_span format);

/* Writes the low 4 * digits bits of v as exactly that many hexadecimal digits. */
void oh__load_hex_put(char *out, uint64_t v, unsigned digits);

/* Reads exactly that many lower-case digits; false when there are others. */
bool oh__load_hex_get(struct oh_span *rest, unsigned digits, uint64_t *out);

/* ---- users, load_users.c ---- */

struct oh__load_login; /* what is known of a user's realm and nonce, load_auth.c */

struct oh__load_user {
    struct oh_span aor;       /* "sip:u000001@example.com" */
    uint32_t name_n;          /* bytes of aor behind "sip:" that are the name */
    struct oh_span auth_name; /* of digest, as inside of quotes */
    struct oh_span home;      /* "sip:example.com": where REGISTER goes */
    struct oh_span password;
    bool known; /* there is a login for this user */
};

struct oh__load_users {
    uint32_t n;
    struct oh__load_user *list;
    struct oh__load_login
        *logins; /* one for each, made when known; NULL when nobody has a password */
    char *text;  /* what the spans point into */
    size_t text_cap;
};

/* Makes the users by format, or of the file of accounts. OH__EXIT_OK, or another status after a
 * sentence on stderr. */
int oh__load_users_make(const struct oh__load_config *config, struct oh__load_users *out);

/* Gives the memory back. */
void oh__load_users_done(struct oh__load_users *users);

/* The user's name alone. */
static inline struct oh_span oh__load_user_name(const struct oh__load_user *u)
{
    return oh_span_head(oh_span_from(u->aor, 4), u->name_n);
}

/* ---- figures ---- */

/* Why an operation failed when it was not a final response. */
#define OH__LOAD_FAILURES(X)                                        \
    X(TIMEOUT, "no final response in time")                         \
    X(CONNECTION, "connection refused or unreachable (ICMP)")       \
    X(DIALOG, "a 2xx without a usable Contact, To or Record-Route") \
    X(ROOM, "a message or dialog larger than this program keeps")   \
    X(SLOTS, "not sent: as many operations as allowed were in flight")

enum oh__load_failure {
#define OH__LOAD_FAILURE_ENUM(name, text) OH__LOAD_FAIL_##name,
    OH__LOAD_FAILURES(OH__LOAD_FAILURE_ENUM)
#undef OH__LOAD_FAILURE_ENUM
        OH__LOAD_FAIL_COUNT
};

/* A phrase for people. */
const char *oh__load_failure_text(enum oh__load_failure f);

/* The same as a word for programs ("timeout"). */
const char *oh__load_failure_name(enum oh__load_failure f);

#define OH__LOAD_CODES 700

/*
 * What a user may do about operations that failed with a status code, or, when code is 0, for a
 * reason. A phrase without a full stop; never NULL, because there is always somewhere to look.
 */
const char *oh__load_advice(const struct oh__load_config *config, unsigned code,
                            enum oh__load_failure reason);

/* The figures of one step, of one worker or of all. */
struct oh__load_stats {
    uint64_t attempted, completed, failed, abandoned; /* abandoned: the run was stopped before */
    uint64_t in_time;                                 /* completed while the step lasted */
    uint64_t late;                  /* known not to be done within p99_max, completed or not */
    uint64_t retransmissions;       /* of our requests and of the callee's 2xx */
    uint64_t challenges;            /* 401 and 407 that were answered */
    uint64_t codes[OH__LOAD_CODES]; /* final responses that failed an operation */
    uint64_t reasons[OH__LOAD_FAIL_COUNT];
    struct oh__hist total;    /* from the scheduled time; without the time that a call is held */
    struct oh__hist setup;    /* call: to the 2xx of the INVITE */
    struct oh__hist teardown; /* call: BYE to its final response */
    struct oh__hist lag;      /* scheduled time to really sent: this program's own part */
};

/* Whether a rate was held: no more than one operation of a thousand lost, and of those that were
 * completed no more than one of a hundred late. */
bool oh__load_is_held(uint64_t attempted, uint64_t completed, uint64_t lost, uint64_t late);

/* Of how many operations one may be lost, or late. */
#define OH__LOAD_LOST_OF 1000
#define OH__LOAD_LATE_OF 100

/* Adds all figures of another one. */
void oh__load_stats_merge(struct oh__load_stats *s, const struct oh__load_stats *other);

/* For the live line; written by one worker, read by all. */
struct oh__load_live {
    atomic_uint_fast64_t started, completed, failed, retransmissions, latency, in_flight;
};

/* ---- a run and its workers, load_engine.c ---- */

enum oh__load_phase { OH__LOAD_REGISTERING, OH__LOAD_RUNNING, OH__LOAD_LEAVING, OH__LOAD_ENDED };

/* How the run is to end: SOON starts nothing more, NOW also gives up what is in flight. */
enum oh__load_stop { OH__LOAD_GO, OH__LOAD_STOP_SOON, OH__LOAD_STOP_NOW };

struct oh__load_worker;

struct oh__load_run {
    const struct oh__load_config *config;
    struct oh__load_plan *plan; /* grows between two laps, while all workers wait */
    struct oh__load_search search;
    unsigned stats_n;    /* of steps that there may be; behind them registering and leaving */
    unsigned first_step; /* of this lap */
    unsigned laps;
    bool over; /* there is no further lap */
    struct oh__load_users *users;
    struct oh_addr server, local; /* local without port */
    unsigned workers_n;
    struct oh__load_worker *workers[OH__LOAD_THREADS_MAX];
    _Atomic int stop;              /* enum oh__load_stop */
    _Atomic int error;             /* OH_E_* of a worker whose system calls fail */
    _Atomic int quit;              /* stopped by the user, or for too many failures */
    atomic_uint_fast64_t failures; /* of all workers, against max_failures */
    atomic_uint_fast64_t late[OH__LOAD_STEPS_MAX], lost[OH__LOAD_STEPS_MAX]; /* of all workers */
    _Atomic int unregistered; /* a user could not be registered: no run */
    uint64_t start;           /* ns; when the plan begins */
    void *gate;               /* pthread_barrier_t of all workers */
    struct oh__net *desk;     /* of the thread that waits for the workers; woken by each */
    atomic_uint ended;        /* workers that are through */
};

enum oh__load_state {
    OH__OP_FREE,
    OH__OP_WAITING, /* for the final response of the current request */
    OH__OP_HOLDING, /* the call is up */
};

#define OH__LOAD_ROOM 1408
#define OH__LOAD_ID   22 /* hexadecimal digits that name an operation of ours */

/* Bytes of an operation's room. */
struct oh__load_part {
    uint16_t at, n;
};

/* What a timer is embedded in. */
enum oh__load_alarm_kind { OH__ALARM_OP, OH__ALARM_ANSWER };

struct oh__load_alarm {
    struct oh__timer timer;
    enum oh__load_alarm_kind kind;
};

/* One operation under way. */
struct oh__load_op {
    struct oh__load_alarm alarm; /* retransmission, time-out or end of hold */
    uint64_t due, first;         /* ns; scheduled, and when the current request left first */
    uint64_t hung_up;            /* ns; when the first BYE left */
    uint64_t interval;           /* ns; Timers A and E of RFC 3261 17.1 */
    uint64_t setup;              /* ns from due to the answer of the call */
    uint32_t gen;                /* tells this use of the slot from the one before */
    char id[OH__LOAD_ID];        /* run, slot and generation, as in branches, tags and Call-IDs */
    uint32_t user, peer;         /* who calls, and who is called */
    uint32_t cseq, invite_cseq;
    uint16_t step;
    uint8_t state;  /* enum oh__load_state */
    uint8_t method; /* enum oh_method of the current request */
    uint8_t txn, invite_txn;
    uint8_t port;     /* source port: listener */
    uint8_t tries;    /* challenges that were answered */
    bool provisional; /* the current request has had a 1xx */
    bool in_dialog;   /* the INVITE has had its 2xx */
    bool answered;    /* the callee has sent its 2xx */
    bool unconfirmed; /* and repeats it, because its ACK has not come */
    bool leaving;     /* REGISTER that takes the binding away */
    bool late;        /* has been counted as such */
    bool unsent;      /* there was no way for the current request: failed when its timer ends */
    struct oh_addr next_hop; /* of requests within the dialog */
    struct oh__load_part auth, invite_auth, uri, routes, to;
    uint16_t room_n; /* what is to stay; the credentials of the current request stand behind it */
    char room[OH__LOAD_ROOM];
};

#define OH__LOAD_BYTES  4096 /* the largest message we make */
#define OH__LOAD_ANSWER 2048 /* the largest 2xx that is kept until its ACK */

/* A 2xx that the callee repeats until the ACK comes (RFC 3261 13.3.1.4). Each slot has one; it
 * means something only while the operation there is unconfirmed. */
struct oh__load_answer {
    struct oh__load_alarm alarm;
    struct oh_flow flow;
    uint64_t interval, until; /* ns */
    struct oh__load_op *op;
    uint16_t n;
    char bytes[OH__LOAD_ANSWER];
};

/* The requests that are rendered. */
enum oh__load_request {
    OH__REQUEST_OPTIONS,
    OH__REQUEST_REGISTER,
    OH__REQUEST_MESSAGE,
    OH__REQUEST_INVITE,
    OH__REQUEST_CANCEL,
    OH__REQUEST_ACK,
    OH__REQUEST_BYE,
    OH__REQUEST_COUNT
};

/* What was decoded last of where a server's URIs lead; all zeros is nothing yet. */
struct oh__load_hop {
    char text[80]; /* of the URI: what stands behind its user */
    uint8_t n;
    bool loose; /* it has the parameter lr */
    struct oh_addr hop;
};

struct oh__load_worker {
    struct oh__load_run *run;
    unsigned index;
    struct oh__net_shared *shared;
    struct oh__net *net;
    struct oh__wheel *wheel;
    struct oh_hasher *hasher;
    struct oh__hash_key key;         /* tags of the callee */
    uint32_t run_id;                 /* random; in every id of ours */
    char run_text[8];                /* the same in digits */
    uint32_t user_from, user_n;      /* the users of this worker */
    uint32_t user_next;              /* counts on; modulo user_n it is the next one */
    struct oh__load_op *ops;         /* slots; made when first used */
    struct oh__load_answer *answers; /* of calls: one for each slot */
    uint32_t slots, slots_used;      /* of these, how many were ever used */
    uint32_t *idle, idle_n;          /* slots to use again, the latest last */
    uint32_t in_flight, window;      /* window: how many this worker may have in a closed loop */
    enum oh__load_phase phase;
    bool fed;      /* nothing more is to be started in this phase */
    bool stopping; /* what the run's stop asks for has been done */
    uint64_t left; /* closed loop: operations to start */
    struct oh__load_schedule schedule;
    uint64_t fed_at, last_done;   /* ns */
    uint64_t cpu, lasted;         /* ns of processor time, and of time, in the laps */
    struct oh__load_stats *stats; /* one for each step, then registering and leaving: stats_n */
    struct oh__load_live live;
    uint64_t bad, stray; /* received: no SIP, or to nothing of ours */
    uint32_t received;   /* counts on, to look closer at some */
    uint64_t kernel_drops;
    char ip[OH_ADDR_TEXT_MAX]; /* ours, as a SIP host */
    struct {
        char self[OH_ADDR_TEXT_MAX];         /* ip and port */
        char contact[OH_ADDR_TEXT_MAX + 16]; /* with ";transport=tcp" */
        char via[OH_ADDR_TEXT_MAX + 32];     /* what our Via is in front of an id */
        struct oh_span self_text, via_text, contact_text;
        uint64_t stream;   /* id of the connection to the server; 0 = to be opened */
        uint64_t next_try; /* ns; not before, when it was refused */
    } ports[OH__NET_LISTENERS_MAX];
    uint32_t port_run;                    /* users in turn that have the same port */
    struct oh_span fixed[OH__HOLE_COUNT]; /* what is the same in all messages */
    struct oh__load_hop known;
    char server_uri[OH__LOAD_HOST_MAX + 8]; /* "sip:example.com": where OPTIONS go */
    char expires[12];
    char sdp[256], sdp_n[4]; /* a session description, and its length in digits */
    char cnonce[9];
    struct oh__load_template templates[OH__REQUEST_COUNT];
    struct oh__load_view view;
    struct oh_msg msg;
    char out[OH__LOAD_BYTES], head[OH__LOAD_BYTES];
};

/* Makes a worker with its sockets; on failure *why says what is wrong. OH_OK or OH_E_*. */
int oh__load_worker_new(struct oh__load_run *run, unsigned index, struct oh__load_worker **out,
                        char *why, size_t cap);

/* Ends a worker. NULL is ignored. */
void oh__load_worker_free(struct oh__load_worker *w);

/* A worker's thread: registers its users, runs its part of the plan, signs its users off. */
void *oh__load_worker_main(void *worker);

/*
 * Decides whether there is one more lap (run->over), what it consists of, and when it begins. To be
 * called by one worker while all the others wait.
 */
void oh__load_next_lap(struct oh__load_run *run);

/* The figures of the step or phase that an operation belongs to. */
static inline struct oh__load_stats *oh__load_stats_of(struct oh__load_worker *w,
                                                       const struct oh__load_op *op)
{
    return &w->stats[op->step];
}

/* Counts for the live line. There is one writer, so no locked instruction is needed. */
static inline void oh__load_live_add(atomic_uint_fast64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- the way to the server, load_way.c ---- */

/*
 * The flow of a request from one of our ports to a hop: a datagram, or the port's own connection
 * when the hop is the server, which is opened when there is none. False when it cannot be had
 * now.
 */
bool oh__load_way(struct oh__load_worker *w, unsigned port, const struct oh_addr *hop,
                  struct oh_flow *out);

/* A connection has ended or could not be opened. What waits for answers on it has failed. */
void oh__load_way_lost(struct oh__load_worker *w, const struct oh_flow *flow);

/* Sets when an operation's timer is due. */
static inline void oh__load_op_timer(struct oh__load_worker *w, struct oh__load_op *op, uint64_t at)
{
    oh__wheel_set(w->wheel, &op->alarm.timer, at);
}

/* The number of an operation's slot. */
static inline uint32_t oh__load_slot(const struct oh__load_worker *w, const struct oh__load_op *op)
{
    return (uint32_t)(op - w->ops);
}

/* The living operation of an id of ours ("id" of templates, in branches, tags and Call-IDs) at the
 * beginning of a text; NULL when it has ended or is none of ours. */
struct oh__load_op *oh__load_op_find(struct oh__load_worker *w, struct oh_span text);

/* Reads all of a message that was looked at; NULL when it is none, which is counted. Valid until
 * the next one. */
const struct oh_msg *oh__load_whole(struct oh__load_worker *w, const struct oh__load_view *v);

/* An operation is not over; counted as late once it is. */
void oh__load_op_waits(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now);

/* An operation is complete: counted, and its slot free. */
void oh__load_op_done(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now);

/* An operation has failed with a final response. */
void oh__load_op_refused(struct oh__load_worker *w, struct oh__load_op *op, unsigned code);

/* An operation has failed without one. */
void oh__load_op_failed(struct oh__load_worker *w, struct oh__load_op *op,
                        enum oh__load_failure why);

/* ---- the client side, load_ops.c ---- */

/* Compiles the templates of a worker and writes what is the same in all its messages. OH_OK or
 * OH_E_*. */
int oh__load_ops_init(struct oh__load_worker *w);

/* Sends the first request of a fresh operation. */
void oh__load_op_begin(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now);

/* A response has come. */
void oh__load_on_response(struct oh__load_worker *w, const struct oh__load_view *v,
                          const struct oh_flow *flow, uint64_t now);

/* The timer of an operation is due. */
void oh__load_on_timer(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now);

/* Hangs up a call that is up: its time is over, or the run is to end. */
void oh__load_hang_up(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now);

/* ---- dialogs, load_dialog.c ---- */

/* What a request within a dialog needs, as it goes on the wire. */
struct oh__load_target {
    struct oh_span uri; /* Request-URI */
    struct oh_addr hop; /* where to send it; family NONE when the URI there is a name */
};

/*
 * The same as oh__load_dialog_read for a response as nearly all are: "<sip:...>" is all of
 * Contact and of each Record-Route, and the router is a loose one. OH_OK, OH_E_LIMIT; any
 * other response is OH_E_UNSUPPORTED, and oh__load_dialog_read tells.
 */
int oh__load_dialog_quick(const struct oh__load_view *v, struct oh__load_hop *known,
                          struct oh__load_target *out, struct oh_buf *routes);

/*
 * The caller's side of a dialog out of the 2xx of its INVITE (RFC 3261 12.1.2, 12.2.1.1): Contact
 * is the remote target, Record-Route reversed the route set, whose first URI becomes the
 * Request-URI when it is a strict router's. Writes complete Route rows to routes. OH_OK;
 * OH_E_ABSENT or OH_E_SYNTAX for a response that makes no dialog; OH_E_LIMIT for more than 16
 * routes or a full buffer.
 */
int oh__load_dialog_read(const struct oh_msg *m, struct oh__load_target *out,
                         struct oh_buf *routes);

/* ---- digest, load_auth.c ---- */

/* Makes room for the logins of n users; NULL when memory is short. */
struct oh__load_login *oh__load_logins_new(uint32_t n);

/* Gives it back. NULL is ignored. */
void oh__load_logins_free(struct oh__load_login *logins, uint32_t n);

/*
 * Learns the first challenge that we can answer from a 401 or 407 (RFC 8760 2.4). OH_OK;
 * OH_E_ABSENT when there is none or the user has no password; OH_E_DENIED when the request had
 * answered a challenge already and this one does not say that the nonce was stale; OH_E_LIMIT when
 * it is longer than we keep; OH_E_UNSUPPORTED.
 */
int oh__load_login_learn(struct oh__load_worker *w, uint32_t user, const struct oh_msg *m,
                         enum oh_method method, bool answered);

/*
 * Writes the Authorization or Proxy-Authorization row for a request, when the user is known to be
 * asked for it; the nonce is used again with the next count. Writes nothing otherwise.
 */
void oh__load_login_put(struct oh__load_worker *w, uint32_t user, enum oh_method method,
                        struct oh_span uri, struct oh_buf *out);

/* ---- the callee, load_callee.c ---- */

/* A request has come: answers it as a phone that takes every call. */
void oh__load_on_request(struct oh__load_worker *w, const struct oh__load_view *v,
                         const struct oh_flow *flow, uint64_t now);

/* The timer of a 2xx without ACK is due. */
void oh__load_on_answer_timer(struct oh__load_worker *w, struct oh__load_answer *a, uint64_t now);

/* Forgets the 2xx of an operation that ends. */
void oh__load_answer_drop(struct oh__load_worker *w, struct oh__load_op *op);

/* ---- what came of it, load_report.c ---- */

/* One step as it is reported. */
struct oh__load_result {
    const struct oh__load_step *step;
    struct oh__load_stats *stats; /* of all workers */
    double seconds;               /* how long it really lasted */
    double achieved;              /* completed per second while it lasted */
    bool held;                    /* nothing failed, and p99 below what was allowed */
};

struct oh__load_report {
    const struct oh__load_run *run;
    unsigned n; /* counted steps */
    struct oh__load_result steps[OH__LOAD_STEPS_MAX];
    struct oh__load_stats all; /* of all counted steps */
    double seconds;
    uint64_t bad, stray, kernel_drops;
    double best;     /* ramp: the highest rate held, below those that were not; 0 = none */
    double cpu_each; /* ns of our own processor time per operation */
    double busy;     /* of our busiest thread, 0 .. 1 */
    bool limited;    /* the figures may be our limit and not the server's */
};

/*
 * Tells why there is no run, on stderr or, for programs, as JSON on stdout. Returns the status.
 */
int oh__load_refuse(const struct oh__load_config *config, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts the figures of all workers together. OH_OK or OH_E_NOMEM. Ended with oh__load_report_done.
 */
int oh__load_report_make(const struct oh__load_run *run, struct oh__load_report *out);

/* Gives the memory back. */
void oh__load_report_done(struct oh__load_report *report);

/* Prints the report for people. */
void oh__load_report_text(const struct oh__load_report *report, FILE *to);

/* The report for programs; status is what the program ends with. */
json_t *oh__load_report_json(const struct oh__load_report *report, int status);

/* The exit status that a report stands for. */
int oh__load_report_status(const struct oh__load_report *report);

/* What the workers' live counters said last, for the live line. */
struct oh__load_glance {
    uint64_t started, completed, failed, retransmissions, latency, in_flight;
};

/* Prints one live line over the one before; seconds since that one and since the start. */
void oh__load_live_line(const struct oh__load_run *run, struct oh__load_glance *last, double since,
                        double elapsed, FILE *to);

#endif
