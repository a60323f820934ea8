/*
 * A round over the table is a cursor and some steps. A step is one second's
 * share, bounded by the AORs that it looks at and by the pings that it may
 * cause, so a million phones are pinged evenly over many seconds instead of
 * all at once, and the worker is never away from its datagrams for long. When
 * a round takes longer than the interval, the next one begins at once.
 *
 * The table is walked by copies (oh__location_next), so no lock is held while
 * pings are made, and a phone that has unregistered in the meantime gets one
 * ping too many.
 */
#include "host/pinger.h"

#include "base/wheel.h"

#define STEP           OH__SEC /* how often a bit of the table is walked */
#define AORS_PER_STEP  20000   /* bounds the time of one step */
#define PINGS_PER_STEP 200     /* bounds the load on us and on the phones */
#define ARENA_MAX      (256 * 1024)

struct oh__pinger {
    struct oh__location *location;
    unsigned shards, next_shard;
    struct oh_arena arena;
    struct oh__location_cursor cursor;
    bool walking;           /* a round over the table is under way */
    uint64_t round_started; /* ns */
    uint64_t step_at;       /* ns */
    unsigned aors_left, pings_left;
    struct oh_span aor;
    struct oh__binding_list list; /* of the AOR being looked at */
    unsigned at;
};

struct oh__pinger *oh__pinger_new(struct oh__location *location, unsigned shards)
{
    struct oh__pinger *p = oh_alloc_zero(oh_alloc_default(), 1, sizeof *p);

    if (!p)
        return NULL;
    p->location = location;
    p->shards = shards;
    oh_arena_init(&p->arena, oh_alloc_default(), ARENA_MAX);
    return p;
}

void oh__pinger_free(struct oh__pinger *p)
{
    if (!p)
        return;
    oh_arena_done(&p->arena);
    oh_free(oh_alloc_default(), p, sizeof *p);
}

uint64_t oh__pinger_deadline(const struct oh__pinger *p)
{
    return p->step_at;
}

/* Streams keep themselves open; a phone that is not behind NAT is pinged until its round trip is
 * known. */
static bool wanted(const struct oh__binding *b, const struct oh__settings *settings)
{
    if (!b->reachable || settings->nat_keepalive == 0)
        return false;
    if (b->nat && b->flow.transport == OH_TRANSPORT_UDP)
        return true;
    return b->rtt_us == 0;
}

/* Moves on to the next AOR; false at the end of the round or of this step's share. */
static bool advance(struct oh__pinger *p)
{
    uint64_t version;

    if (p->aors_left == 0)
        return false;
    p->aors_left--;
    oh_arena_reset(&p->arena);
    p->at = 0;
    p->list.n = 0;
    /* No memory ends the round like the end of the table: the next one tries again. */
    if (oh__location_next(p->location, &p->cursor, &p->arena, &p->aor, &version, &p->list) == OH_OK)
        return true;
    p->walking = false;
    return false;
}

/* A step goes on with the round there is, or begins one when it is time. */
static void begin_step(struct oh__pinger *p, const struct oh__serve_env *env)
{
    p->step_at = env->now + STEP;
    p->aors_left = AORS_PER_STEP;
    p->pings_left = PINGS_PER_STEP;
    if (p->walking || env->now - p->round_started < env->settings->nat_keepalive)
        return;
    p->walking = true;
    p->round_started = env->now;
    p->cursor = (struct oh__location_cursor){0};
    p->list.n = 0;
    p->at = 0;
}

bool oh__pinger_next(struct oh__pinger *p, const struct oh__serve_env *env,
                     struct oh__ping_target *out)
{
    if (env->now >= p->step_at)
        begin_step(p, env);
    while (p->walking && p->pings_left) {
        while (p->at < p->list.n) {
            const struct oh__binding *b = &p->list.v[p->at++];

            if (!wanted(b, env->settings))
                continue;
            p->pings_left--;
            /* In turn, so that the transactions of pings are spread over all shards. */
            p->next_shard = (p->next_shard + 1) % p->shards;
            *out = (struct oh__ping_target){p->next_shard, p->aor, b};
            return true;
        }
        if (!advance(p))
            break;
    }
    return false;
}
