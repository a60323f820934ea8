/*
 * What came of a run, for people and for programs. The generator reports on
 * itself as well: how late its own requests left, and what the kernel dropped
 * before it could look, because a figure that hides its instrument is none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <offhook/status.h>

#include "cmd/load.h"
#include "cmd/output.h"

#define NS_PER_S  1e9
#define NS_PER_MS 1e6
#define NS_PER_US 1e3
#define LATE      (5 * OH__MS) /* a 99th percentile of our own delay that is worth a warning */
#define BUSY      0.95         /* of a core: there was nothing left to go faster with */
#define CELL      64

static const char *const KINDS[] = {"options", "register", "message", "call"};

const char *oh__load_failure_text(enum oh__load_failure f)
{
    static const char *const texts[OH__LOAD_FAIL_COUNT] = {
#define TEXT(name, text) [OH__LOAD_FAIL_##name] = text,
        OH__LOAD_FAILURES(TEXT)
#undef TEXT
    };

    return texts[f];
}

const char *oh__load_failure_name(enum oh__load_failure f)
{
    static const char *const names[OH__LOAD_FAIL_COUNT] = {
        [OH__LOAD_FAIL_TIMEOUT] = "timeout", [OH__LOAD_FAIL_CONNECTION] = "connection",
        [OH__LOAD_FAIL_DIALOG] = "dialog",   [OH__LOAD_FAIL_ROOM] = "too_large",
        [OH__LOAD_FAIL_SLOTS] = "not_sent",
    };

    return names[f];
}

/* What a server that answers may have meant. */
static const char *advice_on_code(const struct oh__load_config *c, unsigned code)
{
    bool passwords = c->accounts || c->password_format[0];

    switch (code) {
    case 401:
    case 407:
        return passwords ? "these users have other passwords there, or do not exist (`offhook "
                           "user list`); who fails often is banned (`offhook bans list`)"
                         : "it wants passwords: give --accounts, --password-file or "
                           "--password-format-file, or try a server that wants none (offhook "
                           "serve --no-auth)";
    case 404:
    case 480:
        if (c->kind == OH__LOAD_MESSAGE && !c->register_first)
            return "no phones are registered under these names: add --register-first, or name "
                   "some that are with --users, --user-format and --domain";
        return "phones are not registered (any more): is --domain one of the server's, and does "
               "another run use the same users? (--user-format tells them apart)";
    case 503:
        return "the server refuses what is too much for it: `offhook status` there tells of what";
    default: return "`offhook why --failed` there tells the reason";
    }
}

const char *oh__load_advice(const struct oh__load_config *c, unsigned code,
                            enum oh__load_failure reason)
{
    static const char *const texts[OH__LOAD_FAIL_COUNT] = {
        [OH__LOAD_FAIL_TIMEOUT] = "the server has too much to do, is not there, or is silent to "
                                  "this address after wrong passwords (`offhook bans list`)",
        [OH__LOAD_FAIL_CONNECTION] = "no server listens there: start one, or name its address, "
                                     "port and --transport",
        [OH__LOAD_FAIL_DIALOG] = "whoever answers is no phone of this program: do others "
                                 "register the same users?",
        [OH__LOAD_FAIL_ROOM] = "the server, or a proxy on the way, makes messages that long",
        [OH__LOAD_FAIL_SLOTS] = "the server is slower than this rate: lower it, or raise "
                                "--in-flight",
    };

    return code ? advice_on_code(c, code) : texts[reason];
}

void oh__load_stats_merge(struct oh__load_stats *s, const struct oh__load_stats *o)
{
    s->attempted += o->attempted;
    s->completed += o->completed;
    s->failed += o->failed;
    s->abandoned += o->abandoned;
    s->in_time += o->in_time;
    s->late += o->late;
    s->retransmissions += o->retransmissions;
    s->challenges += o->challenges;
    for (unsigned i = 0; i < OH__LOAD_CODES; i++)
        s->codes[i] += o->codes[i];
    for (unsigned i = 0; i < OH__LOAD_FAIL_COUNT; i++)
        s->reasons[i] += o->reasons[i];
    oh__hist_merge(&s->total, &o->total);
    oh__hist_merge(&s->setup, &o->setup);
    oh__hist_merge(&s->teardown, &o->teardown);
    oh__hist_merge(&s->lag, &o->lag);
}

/* ---- putting together ---- */

/* When the run was over, in ns since its start: by plan, by count, or because it was stopped. */
static uint64_t end_of(const struct oh__load_run *run)
{
    const struct oh__load_plan *plan = run->plan;
    uint64_t until = plan->steps[plan->n - 1].until, fed = 0, last = 0;

    for (unsigned i = 0; i < run->workers_n; i++) {
        const struct oh__load_worker *w = run->workers[i];

        fed = w->fed_at > fed ? w->fed_at : fed;
        last = w->last_done > last ? w->last_done : last;
    }
    /* In a closed loop the last operations belong to the time, in an open one only the plan does.
     */
    if (run->config->window && last > fed)
        fed = last;
    fed = fed > run->start ? fed - run->start : 0;
    if (fed < until && (run->config->window || atomic_load(&run->quit)))
        return fed;
    return until;
}

bool oh__load_is_held(uint64_t attempted, uint64_t completed, uint64_t lost, uint64_t late)
{
    return attempted > 0 && lost * OH__LOAD_LOST_OF <= attempted &&
           late * OH__LOAD_LATE_OF <= completed;
}

/* Adds a step's figures of all workers; NULL steps (not reached, warm-up) leave no result. */
static int add_step(const struct oh__load_run *run, unsigned i, uint64_t end,
                    struct oh__load_report *out)
{
    const struct oh__load_step *step = &run->plan->steps[i];
    struct oh__load_result *r = &out->steps[out->n];
    uint64_t until = step->until < end ? step->until : end;

    if (!step->counted || until <= step->from)
        return OH_OK;
    r->stats = oh_alloc_zero(oh_alloc_default(), 1, sizeof *r->stats);
    if (!r->stats)
        return OH_E_NOMEM;
    out->n++;
    for (unsigned k = 0; k < run->workers_n; k++)
        oh__load_stats_merge(r->stats, &run->workers[k]->stats[i]);
    r->step = step;
    r->seconds = (double)(until - step->from) / NS_PER_S;
    r->achieved = (double)r->stats->in_time / r->seconds;
    r->held = oh__load_is_held(r->stats->attempted, r->stats->completed,
                               r->stats->failed + r->stats->abandoned, r->stats->late);
    out->seconds += r->seconds;
    oh__load_stats_merge(&out->all, r->stats);
    return OH_OK;
}

/* Whether the rate that was not held found the generator late as well as the server. */
static bool was_late(const struct oh__load_report *r)
{
    double missed = r->run->search.missed;

    for (unsigned i = 0; i < r->n; i++)
        if (missed > 0 && r->steps[i].step->rate <= missed && !r->steps[i].held &&
            oh__hist_at(&r->steps[i].stats->lag, 0.99) > LATE)
            return true;
    return false;
}

/* What the generator itself has used: a figure that it limits says nothing about the server. */
static void measure_ourselves(const struct oh__load_run *run, struct oh__load_report *out)
{
    uint64_t operations = 0, cpu = 0;

    for (unsigned k = 0; k < run->workers_n; k++) {
        const struct oh__load_worker *w = run->workers[k];
        double busy = w->lasted ? (double)w->cpu / (double)w->lasted : 0;

        out->busy = busy > out->busy ? busy : out->busy;
        cpu += w->cpu;
        for (unsigned i = 0; i < run->plan->n; i++)
            operations += w->stats[i].attempted;
    }
    out->cpu_each = operations ? (double)cpu / (double)operations : 0;
    out->limited = out->busy > BUSY || oh__hist_at(&out->all.lag, 0.99) > LATE ||
                   out->kernel_drops > 0 || was_late(out);
}

int oh__load_report_make(const struct oh__load_run *run, struct oh__load_report *out)
{
    uint64_t end = end_of(run);
    double missed = run->search.missed;
    int rc = OH_OK;

    memset(out, 0, sizeof *out);
    out->run = run;
    for (unsigned i = 0; rc == OH_OK && i < run->plan->n; i++)
        rc = add_step(run, i, end, out);
    if (rc != OH_OK) {
        oh__load_report_done(out);
        return rc;
    }
    for (unsigned k = 0; k < run->workers_n; k++) {
        out->bad += run->workers[k]->bad;
        out->stray += run->workers[k]->stray;
        out->kernel_drops += run->workers[k]->kernel_drops;
    }
    for (unsigned i = 0; i < out->n; i++) {
        double rate = out->steps[i].step->rate;

        if (out->steps[i].held && rate > out->best && (missed <= 0 || rate < missed))
            out->best = rate;
    }
    measure_ourselves(run, out);
    return OH_OK;
}

void oh__load_report_done(struct oh__load_report *report)
{
    for (unsigned i = 0; i < report->n; i++)
        oh_free(oh_alloc_default(), report->steps[i].stats, sizeof *report->steps[i].stats);
    report->n = 0;
}

/* Completed per second of the counted steps together. */
static double achieved(const struct oh__load_report *r)
{
    return r->seconds > 0 ? (double)r->all.in_time / r->seconds : 0;
}

int oh__load_report_status(const struct oh__load_report *report)
{
    const struct oh__load_stats *s = &report->all;

    /* A ramp goes on until it is too much; it has failed only when every rate was. */
    if (report->run->config->ramp_to > 0 && report->best > 0)
        return OH__EXIT_OK;
    if (s->failed == 0)
        return report->run->config->ramp_to > 0 ? OH__EXIT_UNEXPECTED : OH__EXIT_OK;
    for (unsigned i = 0; i < OH__LOAD_CODES; i++)
        if (s->codes[i])
            return OH__EXIT_UNEXPECTED;
    if (s->reasons[OH__LOAD_FAIL_DIALOG] || s->reasons[OH__LOAD_FAIL_ROOM])
        return OH__EXIT_UNEXPECTED;
    return s->reasons[OH__LOAD_FAIL_CONNECTION] ? OH__EXIT_CONNECTION : OH__EXIT_TIMEOUT;
}

/* ---- for people ---- */

/* Writes a rate without digits that say nothing. */
static const char *rate_text(double rate, char out[CELL])
{
    snprintf(out, CELL, rate < 100 ? "%.1f/s" : "%.0f/s", rate);
    return out;
}

/* Milliseconds with as many digits as mean something. */
static const char *ms_text(uint64_t ns, char out[CELL])
{
    double ms = (double)ns / NS_PER_MS;

    snprintf(out, CELL, ms < 10 ? "%.3f" : ms < 1000 ? "%.2f" : "%.0f", ms);
    return out;
}

/* Adds a cell. */
static void add_number(struct oh__sheet *t, uint64_t n)
{
    char cell[CELL];

    snprintf(cell, sizeof cell, "%llu", (unsigned long long)n);
    oh__sheet_add(t, cell);
}

/* Adds a cell in milliseconds; where nothing was measured there is nothing to tell. */
static void add_ms(struct oh__sheet *t, const struct oh__hist *h, uint64_t ns)
{
    char cell[CELL];

    oh__sheet_add(t, h->n ? ms_text(ns, cell) : "-");
}

/* One line that says what was done, so that a saved report explains itself. */
static void print_head(const struct oh__load_report *r, FILE *to)
{
    const struct oh__load_config *c = r->run->config;
    char addr[OH_ADDR_TEXT_MAX], from[CELL], end[CELL];

    oh_addr_text(&r->run->server, addr);
    fprintf(to, "%s to %.*s:%s, ", KINDS[c->kind], OH_PRI(oh_transport_param(c->transport)), addr);
    if (c->window)
        fprintf(to, "%u in flight", c->window);
    else if (c->ramp_to > 0)
        fprintf(to, "%s to %s in %u steps", rate_text(c->rate, from), rate_text(c->ramp_to, end),
                c->ramp_steps);
    else
        fprintf(to, "%s", rate_text(c->rate, from));
    fprintf(to, ", %.1f s, %u user%s, %u thread%s, %u %s%s each\n\n", r->seconds, r->run->users->n,
            r->run->users->n == 1 ? "" : "s", r->run->workers_n, r->run->workers_n == 1 ? "" : "s",
            c->ports, c->transport == OH_TRANSPORT_UDP ? "port" : "connection",
            c->ports == 1 ? "" : "s");
}

static void print_failure(FILE *to, const char *what, uint64_t n)
{
    fprintf(to, "  %12llu  %s\n", (unsigned long long)n, what);
}

/* Why operations failed: by status code, then without one. What to do concerns the commonest. */
static void print_failures(const struct oh__load_config *c, const struct oh__load_stats *s,
                           FILE *to)
{
    uint64_t most = 0;
    const char *advice = NULL;
    char what[CELL];

    for (unsigned i = 0; i < OH__LOAD_CODES; i++) {
        if (!s->codes[i])
            continue;
        snprintf(what, sizeof what, "%u %s", i, oh_status_phrase(i));
        print_failure(to, what, s->codes[i]);
        if (s->codes[i] > most) {
            most = s->codes[i];
            advice = oh__load_advice(c, i, 0);
        }
    }
    for (unsigned i = 0; i < OH__LOAD_FAIL_COUNT; i++) {
        enum oh__load_failure reason = (enum oh__load_failure)i;

        if (!s->reasons[i])
            continue;
        print_failure(to, oh__load_failure_text(reason), s->reasons[i]);
        if (s->reasons[i] > most) {
            most = s->reasons[i];
            advice = oh__load_advice(c, 0, reason);
        }
    }
    if (advice)
        fprintf(to, "                (%s)\n", advice);
}

/* What the generator has used, beside the figures that it has measured. */
static void print_ourselves(const struct oh__load_report *r, FILE *to)
{
    fprintf(to, "this program     %12.1f   us of CPU per operation; %.0f %% of a core%s\n",
            r->cpu_each / NS_PER_US, r->busy * 100,
            r->run->workers_n > 1 ? " in its busiest thread" : "");
}

/* How many, and why not all. */
static void print_counts(const struct oh__load_report *r, FILE *to)
{
    const struct oh__load_stats *s = &r->all;
    char rate[CELL];

    fprintf(to, "attempted        %12llu\n", (unsigned long long)s->attempted);
    fprintf(to, "completed        %12llu   %s\n", (unsigned long long)s->completed,
            rate_text(achieved(r), rate));
    fprintf(to, "failed           %12llu\n", (unsigned long long)s->failed);
    print_failures(r->run->config, s, to);
    if (s->abandoned)
        fprintf(to, "given up at stop %12llu\n", (unsigned long long)s->abandoned);
    fprintf(to, "retransmissions  %12llu\n", (unsigned long long)s->retransmissions);
    if (s->challenges)
        fprintf(to, "challenges met   %12llu\n", (unsigned long long)s->challenges);
    if (r->bad || r->stray)
        fprintf(to, "received besides %12llu   not SIP, and %llu to nothing of ours\n",
                (unsigned long long)r->bad, (unsigned long long)r->stray);
    print_ourselves(r, to);
    fputc('\n', to);
}

/* A line of percentiles. */
static void add_latency(struct oh__sheet *t, const char *name, const struct oh__hist *h)
{
    oh__sheet_add(t, name);
    add_ms(t, h, oh__hist_mean(h));
    add_ms(t, h, oh__hist_at(h, 0.5));
    add_ms(t, h, oh__hist_at(h, 0.9));
    add_ms(t, h, oh__hist_at(h, 0.99));
    add_ms(t, h, oh__hist_at(h, 0.999));
    add_ms(t, h, h->max);
}

/* The last line is our own delay: what it says is part of the lines above it. */
static void print_latencies(const struct oh__load_report *r, FILE *to)
{
    static const char *const heads[] = {"latency, ms", "mean", "p50", "p90", "p99", "p99.9", "max"};
    struct oh__sheet t;

    oh__sheet_init(&t, 7, heads);
    add_latency(&t, KINDS[r->run->config->kind], &r->all.total);
    if (r->run->config->kind == OH__LOAD_CALL) {
        add_latency(&t, "  INVITE to 200", &r->all.setup);
        add_latency(&t, "  BYE to 200", &r->all.teardown);
    }
    add_latency(&t, "own delay", &r->all.lag);
    oh__sheet_print(&t, to);
    oh__sheet_done(&t);
}

/* The steps of a ramp, and the answer that it was asked for. */
static void print_steps(const struct oh__load_report *r, FILE *to)
{
    static const char *const heads[] = {"rate",   "achieved", "failed",  "retransmitted", "p50 ms",
                                        "p99 ms", "max ms",   "own p99", "held"};
    char cell[CELL];
    struct oh__sheet t;

    oh__sheet_init(&t, 9, heads);
    for (unsigned i = 0; i < r->n; i++) {
        const struct oh__load_result *s = &r->steps[i];

        oh__sheet_add(&t, rate_text(s->step->rate, cell));
        oh__sheet_add(&t, rate_text(s->achieved, cell));
        add_number(&t, s->stats->failed);
        add_number(&t, s->stats->retransmissions);
        add_ms(&t, &s->stats->total, oh__hist_at(&s->stats->total, 0.5));
        add_ms(&t, &s->stats->total, oh__hist_at(&s->stats->total, 0.99));
        add_ms(&t, &s->stats->total, s->stats->total.max);
        add_ms(&t, &s->stats->lag, oh__hist_at(&s->stats->lag, 0.99));
        oh__sheet_add(&t, s->held ? "yes" : "no");
    }
    fputc('\n', to);
    oh__sheet_print(&t, to);
    oh__sheet_done(&t);
    fputc('\n', to);
    if (r->best > 0)
        fprintf(to, "highest rate held: %s", rate_text(r->best, cell));
    else
        fprintf(to, "no rate was held");
    fprintf(to, " (at most 0.1 %% lost, p99 within %s ms)\n",
            ms_text(r->run->config->p99_max, cell));
    if (r->run->search.missed > 0)
        fprintf(to, "not held: %s; the ramp goes no further%s\n",
                rate_text(r->run->search.missed, cell),
                was_late(r) ? ", and this program was late there: it may be its own limit" : "");
    else if (r->best > 0 && !atomic_load(&r->run->quit))
        fprintf(to, "The ramp came to its end: the limit is above.\n");
}

/* What makes the figures less than they look. */
static void print_warnings(const struct oh__load_report *r, FILE *to)
{
    uint64_t late = oh__hist_at(&r->all.lag, 0.99);
    char cell[CELL];

    if (atomic_load(&r->run->quit))
        fprintf(to, "\nThe run was stopped before its end.\n");
    if (r->busy > BUSY)
        fprintf(to,
                "\nThis program used all of a core: more than that would have to come from more "
                "--threads,\nor another machine. What is above is its limit, and perhaps not the "
                "server's.\n");
    if (late > LATE)
        fprintf(
            to,
            "\nThis program itself was late: 1 %% of its requests left %s ms or more behind "
            "their time.\nThe latencies include that; use more --threads, or another machine.\n",
            ms_text(late, cell));
    if (r->kernel_drops)
        fprintf(to,
                "\nThe kernel dropped %llu datagrams for this program before it could read them: "
                "use more --threads\nor --ports, or raise net.core.rmem_max.\n",
                (unsigned long long)r->kernel_drops);
}

void oh__load_report_text(const struct oh__load_report *report, FILE *to)
{
    print_head(report, to);
    print_counts(report, to);
    print_latencies(report, to);
    if (report->run->config->ramp_to > 0)
        print_steps(report, to);
    print_warnings(report, to);
}

/* ---- for programs ---- */

int oh__load_refuse(const struct oh__load_config *config, int status, const char *format, ...)
{
    char text[512];
    va_list args;
    json_t *o;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!config->json) {
        oh__fail("%s", text);
        return status;
    }
    o = json_pack("{s:b,s:i,s:i,s:s}", "ok", 0, "schema_version", OH__SCHEMA_VERSION, "exit",
                  status, "error", text);
    oh__print_json(o);
    json_decref(o);
    return status;
}

static void set_integer(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, json_integer((json_int_t)n));
}

/* Adds a time in milliseconds, null when none was measured. */
static void set_ms(json_t *o, const char *key, const struct oh__hist *h, uint64_t ns)
{
    json_object_set_new(o, key, h->n ? json_real((double)ns / NS_PER_MS) : json_null());
}

/* The same percentiles as the table has. */
static json_t *json_latency(const struct oh__hist *h)
{
    json_t *o = json_object();

    set_ms(o, "mean", h, oh__hist_mean(h));
    set_ms(o, "p50", h, oh__hist_at(h, 0.5));
    set_ms(o, "p90", h, oh__hist_at(h, 0.9));
    set_ms(o, "p99", h, oh__hist_at(h, 0.99));
    set_ms(o, "p999", h, oh__hist_at(h, 0.999));
    set_ms(o, "max", h, h->max);
    return o;
}

/* Only what has happened: keys that are absent are zero. */
static json_t *json_failures(const struct oh__load_stats *s)
{
    json_t *o = json_object(), *codes = json_object(), *reasons = json_object();
    char key[CELL];

    for (unsigned i = 0; i < OH__LOAD_CODES; i++) {
        if (!s->codes[i])
            continue;
        snprintf(key, sizeof key, "%u", i);
        set_integer(codes, key, s->codes[i]);
    }
    for (unsigned i = 0; i < OH__LOAD_FAIL_COUNT; i++)
        if (s->reasons[i])
            set_integer(reasons, oh__load_failure_name((enum oh__load_failure)i), s->reasons[i]);
    json_object_set_new(o, "codes", codes);
    json_object_set_new(o, "reasons", reasons);
    return o;
}

/* What a step and the whole run have in common. */
static void set_figures(json_t *o, const struct oh__load_stats *s, double seconds, double rate,
                        bool call)
{
    json_object_set_new(o, "seconds", json_real(seconds));
    json_object_set_new(o, "achieved_rate", json_real(rate));
    set_integer(o, "attempted", s->attempted);
    set_integer(o, "completed", s->completed);
    set_integer(o, "failed", s->failed);
    set_integer(o, "abandoned", s->abandoned);
    set_integer(o, "retransmissions", s->retransmissions);
    set_integer(o, "challenges", s->challenges);
    json_object_set_new(o, "failures", json_failures(s));
    json_object_set_new(o, "latency_ms", json_latency(&s->total));
    if (call) {
        json_object_set_new(o, "setup_ms", json_latency(&s->setup));
        json_object_set_new(o, "teardown_ms", json_latency(&s->teardown));
    }
    json_object_set_new(o, "own_delay_ms", json_latency(&s->lag));
}

/* The steps of a ramp, with everything that the whole run has. */
static json_t *json_steps(const struct oh__load_report *r, bool call)
{
    json_t *steps = json_array();

    for (unsigned i = 0; i < r->n; i++) {
        json_t *o = json_object();

        json_object_set_new(o, "rate", json_real(r->steps[i].step->rate));
        json_object_set_new(o, "held", json_boolean(r->steps[i].held));
        set_figures(o, r->steps[i].stats, r->steps[i].seconds, r->steps[i].achieved, call);
        json_array_append_new(steps, o);
    }
    return steps;
}

json_t *oh__load_report_json(const struct oh__load_report *r, int status)
{
    const struct oh__load_config *c = r->run->config;
    char addr[OH_ADDR_TEXT_MAX];
    json_t *o = json_object();

    oh_addr_text(&r->run->server, addr);
    json_object_set_new(o, "ok", json_boolean(status == OH__EXIT_OK));
    set_integer(o, "schema_version", OH__SCHEMA_VERSION);
    if (status != OH__EXIT_OK) {
        set_integer(o, "exit", (uint64_t)status);
        json_object_set_new(o, "error",
                            json_string(r->all.failed ? "operations failed" : "no rate was held"));
    }
    json_object_set_new(o, "kind", json_string(KINDS[c->kind]));
    json_object_set_new(o, "server", json_string(addr));
    json_object_set_new(o, "transport",
                        json_string(c->transport == OH_TRANSPORT_UDP ? "udp" : "tcp"));
    json_object_set_new(o, "domain", json_string(c->domain));
    json_object_set_new(o, "rate", c->window ? json_null() : json_real(c->rate));
    json_object_set_new(o, "window", c->window ? json_integer(c->window) : json_null());
    set_integer(o, "users", r->run->users->n);
    set_integer(o, "threads", r->run->workers_n);
    set_integer(o, "ports", c->ports);
    json_object_set_new(o, "stopped", json_boolean(atomic_load(&r->run->quit)));
    set_figures(o, &r->all, r->seconds, achieved(r), c->kind == OH__LOAD_CALL);
    set_integer(o, "received_bad", r->bad);
    set_integer(o, "received_stray", r->stray);
    set_integer(o, "kernel_drops", r->kernel_drops);
    json_object_set_new(o, "own_cpu_us_per_operation", json_real(r->cpu_each / NS_PER_US));
    json_object_set_new(o, "own_busy", json_real(r->busy));
    json_object_set_new(o, "limited_by_own", json_boolean(r->limited));
    if (c->ramp_to > 0) {
        json_object_set_new(o, "p99_max_ms", json_real((double)c->p99_max / NS_PER_MS));
        json_object_set_new(o, "highest_rate_held", r->best > 0 ? json_real(r->best) : json_null());
        json_object_set_new(o, "steps", json_steps(r, c->kind == OH__LOAD_CALL));
    }
    return o;
}

/* ---- while it runs ---- */

/* Sums up while the workers go on: figures may differ by what is under way, which a line may. */
static struct oh__load_glance glance(const struct oh__load_run *run)
{
    struct oh__load_glance g = {0};

    for (unsigned i = 0; i < run->workers_n; i++) {
        const struct oh__load_live *l = &run->workers[i]->live;

        g.started += atomic_load_explicit(&l->started, memory_order_relaxed);
        g.completed += atomic_load_explicit(&l->completed, memory_order_relaxed);
        g.failed += atomic_load_explicit(&l->failed, memory_order_relaxed);
        g.retransmissions += atomic_load_explicit(&l->retransmissions, memory_order_relaxed);
        g.latency += atomic_load_explicit(&l->latency, memory_order_relaxed);
        g.in_flight += atomic_load_explicit(&l->in_flight, memory_order_relaxed);
    }
    return g;
}

void oh__load_live_line(const struct oh__load_run *run, struct oh__load_glance *last, double since,
                        double elapsed, FILE *to)
{
    struct oh__load_glance now = glance(run);
    uint64_t done = now.completed - last->completed;
    char begun[CELL], ended[CELL], mean[CELL];

    fprintf(to,
            "\r%5.0f s  begun %s  completed %s  mean %s ms  in flight %llu  failed %llu  "
            "retransmitted %llu\033[K",
            elapsed, rate_text((double)(now.started - last->started) / since, begun),
            rate_text((double)done / since, ended),
            done ? ms_text((now.latency - last->latency) / done, mean) : "-",
            (unsigned long long)now.in_flight, (unsigned long long)now.failed,
            (unsigned long long)now.retransmissions);
    fflush(to);
    *last = now;
}
