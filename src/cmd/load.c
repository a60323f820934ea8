/*
 * offhook load: finds a server's limit. This file is the command: whom it may
 * go to, the threads and their end. A load generator pointed at a stranger is
 * an attack, so public addresses need a word from the user.
 */
#include "cmd/load.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <offhook/status.h>

#include "net/system.h"

#define RESOLVE_TIME (10 * OH__SEC)
#define GRACE        (2 * OH__SEC) /* from a stop to giving up what is in flight */
#define LIVE_EVERY   OH__SEC

/* Set by Ctrl-C and SIGTERM; the second one ends the program. */
static volatile sig_atomic_t interrupted;

/* Only notes it: everything else is done by the thread that waits. */
static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* The handler goes when it has run, so that a second Ctrl-C ends even a program that hangs. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- whom it goes to ---- */

/* Opens a loop without sockets, to look names up and to wait for the workers. */
static int open_desk(struct oh__load_run *run, struct oh__net_shared **shared)
{
    struct oh__net_options o = {.workers = 1};
    char why[256] = "";
    int rc = oh__net_open(&o, shared, why, sizeof why);

    if (rc == OH_OK)
        rc = oh__net_new(*shared, 0, &run->desk);
    if (rc == OH_OK)
        return OH__EXIT_OK;
    return oh__load_refuse(run->config, OH__EXIT_CONNECTION, "%s",
                           why[0] ? why : oh_error_text(rc));
}

/* Looks the target's name up. OH_OK or OH_E_*. */
static int resolve(struct oh__net *desk, const char *host, struct oh_addr *out)
{
    uint64_t end = oh__clock_now() + RESOLVE_TIME;
    struct oh__net_input in;

    if (oh_addr_parse(oh_span_str(host), out) == OH_OK)
        return OH_OK;
    oh__net_resolve(desk, oh_span_str(host), 1);
    while (oh__clock_now() < end && !interrupted) {
        int rc = oh__net_wait(desk, end);

        if (rc != OH_OK)
            return rc;
        while (oh__net_take(desk, &in)) {
            if (in.kind != OH__NET_RESOLVED)
                continue;
            if (in.result == OH_OK && in.addrs_n)
                *out = in.addrs[0];
            return in.result == OH_OK && !in.addrs_n ? OH_E_NOTFOUND : in.result;
        }
    }
    return OH_E_TIMEOUT;
}

/* The server's address, our own towards it, and whether we may go there. */
static int find_server(struct oh__load_run *run)
{
    const struct oh__load_config *c = run->config;
    char text[OH_ADDR_TEXT_MAX];
    int rc = resolve(run->desk, c->host, &run->server);

    if (rc != OH_OK)
        return oh__load_refuse(c, OH__EXIT_DNS, "%s: %s", c->host, oh_error_text(rc));
    run->server.port = c->port;
    oh_addr_host_text(&run->server, text);
    if (oh_addr_is_broadcast(&run->server) || oh_addr_is_any(&run->server))
        return oh__load_refuse(c, OH__EXIT_REFUSED, "%s is not the address of one server", text);
    if (!oh__load_addr_is_near(&run->server) && !c->own)
        return oh__load_refuse(c, OH__EXIT_REFUSED,
                               "%s is a public address: load on a server that is not yours is an "
                               "attack. If it is yours, say --yes-i-own-this-server",
                               text);
    if (oh__local_toward(&run->server, &run->local) != OH_OK)
        return oh__load_refuse(c, OH__EXIT_CONNECTION, "there is no route to %s", text);
    return OH__EXIT_OK;
}

/* ---- threads ---- */

struct crew {
    struct oh__load_run *run;
    pthread_mutex_t launch; /* held until all threads are there, or none shall run */
    pthread_t threads[OH__LOAD_THREADS_MAX];
    unsigned n;
};

struct post {
    struct crew *crew;
    struct oh__load_worker *worker;
};

/* A thread waits at the launch until it is certain that all others exist. */
static void *thread_main(void *p)
{
    struct post *post = p;
    struct crew *crew = post->crew;

    pthread_mutex_lock(&crew->launch);
    pthread_mutex_unlock(&crew->launch);
    return atomic_load(&crew->run->error) ? NULL : oh__load_worker_main(post->worker);
}

/* Starts all threads, or none: they meet at a gate that is made for a fixed number. */
static int launch(struct crew *crew, struct post posts[OH__LOAD_THREADS_MAX])
{
    struct oh__load_run *run = crew->run;
    sigset_t all, before;
    int rc = OH_OK;

    /* Signals are for the thread that waits. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&crew->launch);
    while (rc == OH_OK && crew->n < run->workers_n) {
        posts[crew->n] = (struct post){crew, run->workers[crew->n]};
        if (pthread_create(&crew->threads[crew->n], NULL, thread_main, &posts[crew->n]) == 0)
            crew->n++;
        else
            rc = OH_E_NOMEM;
    }
    if (rc != OH_OK)
        atomic_store(&run->error, rc);
    pthread_mutex_unlock(&crew->launch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* Goes from one stop to the next and tells all workers; nothing when the run is elsewhere. */
static void stop(struct oh__load_run *run, int from, enum oh__load_stop how)
{
    /* A worker may just have begun a new lap, which the end of the last one is not to end. */
    if (!atomic_compare_exchange_strong(&run->stop, &from, how))
        return;
    for (unsigned i = 0; i < run->workers_n; i++)
        oh__net_wake(run->workers[i]->net);
}

/* Waits for the workers, with a line each second for whoever looks on. */
static void watch(struct oh__load_run *run)
{
    bool show = !run->config->json && isatty(STDERR_FILENO);
    uint64_t begun = oh__clock_now(), shown = begun, stopped = 0;
    struct oh__load_glance last = {0};
    struct oh__net_input in;

    while (atomic_load(&run->ended) < run->workers_n) {
        uint64_t now = oh__clock_now();

        if (interrupted && !atomic_exchange(&run->quit, 1))
            stop(run, OH__LOAD_GO, OH__LOAD_STOP_SOON);
        if (atomic_load(&run->stop) == OH__LOAD_STOP_SOON) {
            stopped = stopped ? stopped : now;
            stop(run, OH__LOAD_STOP_SOON,
                 now - stopped >= GRACE ? OH__LOAD_STOP_NOW : OH__LOAD_STOP_SOON);
        } else {
            stopped = 0; /* a lap of a ramp that was cut short is over */
        }
        if (show && now - shown >= LIVE_EVERY) {
            oh__load_live_line(run, &last, (double)(now - shown) / 1e9, (double)(now - begun) / 1e9,
                               stderr);
            shown = now;
        }
        if (oh__net_wait(run->desk, now + LIVE_EVERY - (now - begun) % LIVE_EVERY) != OH_OK) {
            atomic_store(&run->quit, 1);
            stop(run, atomic_load(&run->stop), OH__LOAD_STOP_NOW);
        }
        while (oh__net_take(run->desk, &in))
            ;
    }
    if (show)
        fputs("\r\033[K", stderr);
}

/* ---- the run ---- */

/* All sockets are opened before anything is sent: a port that cannot be had ends the run early. */
static int make_workers(struct oh__load_run *run, unsigned n)
{
    char why[256];

    run->workers_n = n;
    for (unsigned i = 0; i < n; i++) {
        int rc = oh__load_worker_new(run, i, &run->workers[i], why, sizeof why);

        if (rc != OH_OK)
            return oh__load_refuse(
                run->config, rc == OH_E_NOMEM ? OH__EXIT_REFUSED : OH__EXIT_CONNECTION, "%s", why);
    }
    return OH__EXIT_OK;
}

/* Says why users could not be registered, and where; without them there is no run. */
static int tell_unregistered(const struct oh__load_run *run)
{
    const struct oh__load_config *c = run->config;
    const char *how = c->transport == OH_TRANSPORT_UDP ? "udp" : "tcp";
    char addr[OH_ADDR_TEXT_MAX];
    struct oh__load_stats *s = oh_alloc_zero(oh_alloc_default(), 1, sizeof *s);
    unsigned code = 0, why = 0;

    if (!s)
        return OH__EXIT_REFUSED;
    for (unsigned i = 0; i < run->workers_n; i++)
        oh__load_stats_merge(s, &run->workers[i]->stats[run->stats_n]);
    while (code < OH__LOAD_CODES && !s->codes[code])
        code++;
    while (why + 1 < OH__LOAD_FAIL_COUNT && !s->reasons[why])
        why++;
    oh_free(oh_alloc_default(), s, sizeof *s);
    oh_addr_text(&run->server, addr);
    if (code < OH__LOAD_CODES)
        return oh__load_refuse(c, code == 401 || code == 407 ? OH__EXIT_AUTH : OH__EXIT_UNEXPECTED,
                               "users cannot be registered: %s:%s answers %u %s: %s", how, addr,
                               code, oh_status_phrase(code), oh__load_advice(c, code, 0));
    return oh__load_refuse(c,
                           why == OH__LOAD_FAIL_CONNECTION ? OH__EXIT_CONNECTION : OH__EXIT_TIMEOUT,
                           "users cannot be registered at %s:%s: %s: %s", how, addr,
                           oh__load_failure_text((enum oh__load_failure)why),
                           oh__load_advice(c, 0, (enum oh__load_failure)why));
}

/* Tells what came of it; the status follows from the figures. */
static int report(const struct oh__load_run *run)
{
    struct oh__load_report *r = oh_alloc_zero(oh_alloc_default(), 1, sizeof *r);
    int status;

    if (!r || oh__load_report_make(run, r) != OH_OK) {
        oh_free(oh_alloc_default(), r, sizeof *r);
        return oh__load_refuse(run->config, OH__EXIT_REFUSED, "%s", oh_error_text(OH_E_NOMEM));
    }
    status = oh__load_report_status(r);
    if (run->config->json) {
        json_t *o = oh__load_report_json(r, status);

        if (oh__print_json(o) != OH__EXIT_OK)
            status = OH__EXIT_REFUSED;
        json_decref(o);
    } else {
        oh__load_report_text(r, stdout);
    }
    oh__load_report_done(r);
    oh_free(oh_alloc_default(), r, sizeof *r);
    return status;
}

/* Runs all threads to their end and tells what came of it. */
static int run_crew(struct oh__load_run *run)
{
    struct post posts[OH__LOAD_THREADS_MAX];
    struct crew crew = {.run = run, .launch = PTHREAD_MUTEX_INITIALIZER};
    pthread_barrier_t gate;
    int rc;

    if (pthread_barrier_init(&gate, NULL, run->workers_n) != 0)
        return oh__load_refuse(run->config, OH__EXIT_REFUSED, "%s", oh_error_text(OH_E_NOMEM));
    run->gate = &gate;
    rc = launch(&crew, posts);
    if (rc == OH_OK)
        watch(run);
    for (unsigned i = 0; i < crew.n; i++)
        pthread_join(crew.threads[i], NULL);
    pthread_barrier_destroy(&gate);
    if (atomic_load(&run->error))
        return oh__load_refuse(run->config, OH__EXIT_REFUSED, "%s",
                               rc != OH_OK ? "the system gives no more threads"
                                           : oh_error_text(atomic_load(&run->error)));
    return atomic_load(&run->unregistered) ? tell_unregistered(run) : report(run);
}

/* As many threads as were asked for, but none without a user or a place in flight. */
static unsigned threads_for(const struct oh__load_config *c, uint32_t users)
{
    uint32_t places = c->window ? c->window : c->slots ? c->slots : OH__LOAD_THREADS_MAX;
    unsigned n = c->threads < users ? c->threads : users;

    return n < places ? n : places;
}

int oh__cmd_load(const struct oh__args *args)
{
    struct oh__load_config config;
    struct oh__load_plan plan;
    struct oh__load_users users = {0};
    struct oh__load_run run = {.config = &config, .plan = &plan, .users = &users};
    struct oh__net_shared *shared = NULL;
    int status = oh__load_config_read(args, &config);

    if (status != OH__EXIT_OK)
        return status;
    catch_signals();
    oh__load_plan_make(&config, &plan);
    oh__load_search_init(&run.search, &config, &plan);
    run.stats_n = config.ramp_to > 0 ? run.search.steps_max : plan.n;
    status = open_desk(&run, &shared);
    if (status == OH__EXIT_OK)
        status = find_server(&run);
    if (status == OH__EXIT_OK)
        status = oh__load_users_make(&config, &users);
    if (status == OH__EXIT_OK)
        status = make_workers(&run, threads_for(&config, users.n));
    if (status == OH__EXIT_OK)
        status = run_crew(&run);
    for (unsigned i = 0; i < run.workers_n; i++)
        oh__load_worker_free(run.workers[i]);
    oh__load_users_done(&users);
    oh__net_free(run.desk);
    oh__net_close(shared);
    return status;
}
