/*
 * A run is a list of steps of constant rate that is complete before the first
 * request leaves. The time of every operation follows from its number alone:
 * whatever the server does, and however late the generator itself is, cannot
 * move it.
 */
#include "cmd/load.h"

#define SECOND 1e9

/* Appends a step that begins where the one before ends. */
static void add(struct oh__load_plan *plan, uint64_t lasts, double rate, bool counted)
{
    uint64_t from = plan->n ? plan->steps[plan->n - 1].until : 0;

    plan->steps[plan->n++] = (struct oh__load_step){
        from, lasts == OH__NEVER ? OH__NEVER : from + lasts, rate, counted};
}

/* How long the counted part lasts without a ramp: what comes first, --duration or --count. */
static uint64_t length(const struct oh__load_config *c)
{
    uint64_t by_count = OH__NEVER, by_time = c->duration ? c->duration : OH__NEVER;

    /* The last operation fills its interval like the others, or a rate could not be told. */
    if (c->count && c->rate > 0)
        by_count = (uint64_t)((double)c->count * SECOND / c->rate) + 1;
    return by_count < by_time ? by_count : by_time;
}

void oh__load_plan_make(const struct oh__load_config *c, struct oh__load_plan *out)
{
    out->n = 0;
    out->count = c->count ? c->count : OH__NEVER;
    if (c->warmup)
        add(out, c->warmup, c->rate, false);
    if (c->ramp_to <= 0) {
        add(out, length(c), c->rate, true);
        return;
    }
    for (unsigned i = 0; i < c->ramp_steps; i++) {
        double part = c->ramp_steps > 1 ? (double)i / (c->ramp_steps - 1) : 1;

        add(out, c->ramp_step, c->rate + (c->ramp_to - c->rate) * part, true);
    }
}

unsigned oh__load_plan_at(const struct oh__load_plan *plan, uint64_t since_start)
{
    unsigned i = 0;

    while (i + 1 < plan->n && since_start >= plan->steps[i].until)
        i++;
    return i;
}

void oh__load_schedule_init(struct oh__load_schedule *s, const struct oh__load_plan *plan,
                            unsigned index, unsigned of)
{
    *s = (struct oh__load_schedule){.plan = plan, .index = index, .of = of};
}

bool oh__load_schedule_peek(struct oh__load_schedule *s, uint64_t *at, unsigned *step)
{
    for (; s->step < s->plan->n; s->step++, s->done = 0) {
        const struct oh__load_step *now = &s->plan->steps[s->step];
        uint64_t number = s->done * s->of + s->index;
        double offset = (double)number * SECOND / now->rate;

        if (now->counted && number >= s->plan->count)
            continue;
        if (now->until != OH__NEVER && offset >= (double)(now->until - now->from))
            continue;
        *at = now->from + (uint64_t)offset;
        *step = s->step;
        return true;
    }
    return false;
}

void oh__load_schedule_take(struct oh__load_schedule *s)
{
    s->done++;
}

uint64_t oh__load_share(uint64_t n, unsigned index, unsigned of)
{
    return n / of + (index < n % of);
}
