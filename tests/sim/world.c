/*
 * The clock. The world goes from one moment at which something happens to the
 * next; between them there is nothing, so an hour costs as much as what
 * happens in it.
 */
#include "parts.h"

#include "invariants.h"

/* So many steps without time passing can only be an endless conversation. */
#define SAME_TIME_MAX 200000

/* ---- memory of the tests ---- */

struct kept {
    struct kept *next;
};

void *world_grow(void *p, size_t n)
{
    p = realloc(p, n);
    if (!p) {
        fprintf(stderr, "sim: the heap is empty\n");
        abort();
    }
    return p;
}

void *world_keep(struct world *w, size_t n)
{
    struct kept *k = world_grow(NULL, sizeof *k + n);

    k->next = w->kept;
    w->kept = k;
    return memset(k + 1, 0, n);
}

char *world_keep_text(struct world *w, struct oh_span text)
{
    char *p = world_keep(w, text.n + 1);

    if (text.n)
        memcpy(p, text.p, text.n);
    return p;
}

void world_text_add(struct world_text *t, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return;
    if (t->n + (size_t)n + 1 > t->cap) {
        t->cap = (t->n + (size_t)n + 1) * 2;
        t->p = world_grow(t->p, t->cap);
    }
    vsnprintf(t->p + t->n, t->cap - t->n, format, args);
    t->n += (size_t)n;
}

/* ---- begin and end ---- */

void world_settings_default(struct oh__settings *settings)
{
    oh__settings_default(settings);
    settings->listeners_n = 2;
    for (unsigned i = 0; i < 2; i++) {
        struct oh__settings_listener *l = &settings->listeners[i];

        memset(l, 0, sizeof *l);
        l->transport = i ? OH_TRANSPORT_TCP : OH_TRANSPORT_UDP;
        oh_addr_parse_port(OH_LIT(WORLD_SERVER), &l->addr);
    }
    settings->any_domain = false;
    settings->domains_n = 1;
    memset(&settings->domains[0], 0, sizeof settings->domains[0]);
    memcpy(settings->domains[0].name, WORLD_DOMAIN, sizeof WORLD_DOMAIN);
    settings->domains[0].digest[0] = OH_HASH_MD5;
    memcpy(settings->default_domain, WORLD_DOMAIN, sizeof WORLD_DOMAIN);
    settings->no_auth = true;
}

struct world *world_new(const struct world_options *options)
{
    struct world *w = world_grow(NULL, sizeof *w);
    uint8_t seed[32] = {0};

    memset(w, 0, sizeof *w);
    w->options = *options;
    if (!w->options.expire_at_once)
        w->options.expire_at_once = 512;
    memcpy(seed, &options->seed, sizeof options->seed);
    oh__rng_init(&w->rng, seed);
    w->now = w->started = 1000 * WORLD_SECOND;
    w->wall_started = UINT64_C(1800000000000);
    w->invariants = invariants_new(w);
    server_start(w);
    return w;
}

struct deferred {
    void (*end)(void *arg);
    void *arg;
    struct deferred *next;
};

void world_defer(struct world *w, void (*end)(void *arg), void *arg)
{
    struct deferred *d = world_keep(w, sizeof *d);

    *d = (struct deferred){end, arg, w->deferred};
    w->deferred = d;
}

void world_free(struct world *w)
{
    peers_done(w);
    server_stop(w);
    for (struct deferred *d = w->deferred; d; d = d->next)
        d->end(d->arg);
    network_done(w);
    invariants_free(w->invariants);
    for (struct kept *k = w->kept, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    free(w->ladder.p);
    free(w);
}

/* ---- failure ---- */

const char *world_try(struct world *w, void (*run)(struct world *w, void *arg), void *arg)
{
    w->why[0] = 0;
    w->trying = true;
    if (setjmp(w->escape) == 0)
        run(w, arg);
    w->trying = false;
    return w->why[0] ? w->why : NULL;
}

void world_fail(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    if (!w->why[0])
        memcpy(w->why, "failed", sizeof "failed");
    if (!w->trying) {
        fprintf(stderr, "%s\nsim: failed outside world_try: %s\n", world_ladder(w), w->why);
        abort();
    }
    world_note(w, "FAILED: %s", w->why);
    longjmp(w->escape, 1);
}

/* ---- time ---- */

uint64_t world_now(const struct world *w)
{
    return w->now;
}

uint64_t world_wall(const struct world *w)
{
    return w->wall_started + (w->now - w->started) / WORLD_MS;
}

uint64_t world_random(struct world *w, uint64_t n)
{
    return oh__rng_below(&w->rng, n);
}

bool world_chance(struct world *w, unsigned percent)
{
    return percent && world_random(w, 100) < percent;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_moment(const struct world *w)
{
    return earlier(network_deadline(w), earlier(server_deadline(w), peers_deadline(w)));
}

/* Everything that happens now. */
static void step(struct world *w)
{
    server_commits_due(w);
    disk_maintain(w);
    while (network_step(w))
        ;
    server_expire(w);
    peers_expire(w);
    server_commit(w);
}

static void run_until(struct world *w, uint64_t end)
{
    uint64_t next;

    while ((next = next_moment(w)) <= end) {
        if (next > w->now) {
            w->now = next;
            w->same_time = 0;
        } else if (++w->same_time > SAME_TIME_MAX) {
            world_fail(w, "time stands still: something goes on for ever");
        }
        step(w);
    }
    if (end > w->now)
        w->now = end;
    w->same_time = 0;
}

void world_run(struct world *w, uint64_t ms)
{
    run_until(w, w->now + ms * WORLD_MS);
}

void world_settle(struct world *w)
{
    run_until(w, w->now);
}

void world_finish(struct world *w)
{
    uint64_t timer_c = server_settings(w)->timer_c / WORLD_MS;

    world_note(w, "all peers fall silent");
    peers_stop(w);
    /* Timer C starts anew with each 1xx; behind it come a CANCEL's 64*T1 and the states that
     * absorb retransmissions. */
    world_run(w, (timer_c < 200000 ? 200000 : timer_c) + 100000);
    invariants_end(w->invariants);
}

uint64_t world_transactions(const struct world *w)
{
    return invariants_transactions(w->invariants);
}

unsigned world_branches_peak(const struct world *w)
{
    return invariants_peak(w->invariants);
}

uint64_t world_trace(const struct world *w)
{
    return w->trace;
}

/* ---- notes ---- */

const char *world_ladder(const struct world *w)
{
    return w->ladder.p ? w->ladder.p : "";
}
