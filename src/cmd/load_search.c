/*
 * Where a ramp goes on. It climbs until a rate is not held. One failure proves
 * little (a neighbour's process, a disk that syncs), so that rate is tried once
 * more by itself, and the climb goes on when it is held now. If not, the limit
 * lies between it and the rate below, and is halved in from both sides. Nobody
 * learns anything from rates above a limit, and a server that has collapsed
 * needs no more load.
 *
 * The steps of a lap run without a pause, as in any ramp; between two laps
 * everything that is under way comes to its end, so that what one rate has
 * left behind does not spoil the next one's figures.
 */
#include "cmd/load.h"

#define RETRIES_MAX  OH__LOAD_RETRIES
#define HALVINGS_MAX OH__LOAD_HALVINGS
#define CLOSE_ENOUGH 0.03 /* of the rate: what is left between held and not held is noise */

void oh__load_search_init(struct oh__load_search *s, const struct oh__load_config *c,
                          const struct oh__load_plan *plan)
{
    *s = (struct oh__load_search){.step = c->ramp_step, .steps_max = plan->n + OH__LOAD_SEARCH_MAX};
    if (c->ramp_to <= 0)
        return;
    for (unsigned i = 0; i < plan->n; i++)
        if (plan->steps[i].counted)
            s->rates[s->n++] = plan->steps[i].rate;
}

/* Appends a step to the plan; false when there is no more room, which only a very long ramp meets.
 */
static bool append(const struct oh__load_search *s, struct oh__load_plan *plan, double rate)
{
    uint64_t from = plan->steps[plan->n - 1].until;

    if (plan->n == s->steps_max)
        return false;
    plan->steps[plan->n++] = (struct oh__load_step){from, from + s->step, rate, true};
    return true;
}

/* One more rate between the two, until they are as close as means anything. */
static bool halve(struct oh__load_search *s, struct oh__load_plan *plan)
{
    s->phase = OH__SEARCH_HALVING;
    if (s->held <= 0 || s->halvings == HALVINGS_MAX ||
        s->missed - s->held <= s->missed * CLOSE_ENOUGH)
        return false;
    s->halvings++;
    return append(s, plan, (s->held + s->missed) / 2);
}

/* The rest of the climb. */
static bool climb(struct oh__load_search *s, struct oh__load_plan *plan)
{
    unsigned before = plan->n;

    s->phase = OH__SEARCH_CLIMBING;
    for (unsigned i = s->at; i < s->n && append(s, plan, s->rates[i]); i++)
        ;
    return plan->n > before;
}

/* A lap of the climb is over: `held` of its rates one after the other. */
static bool climbed(struct oh__load_search *s, unsigned held, struct oh__load_plan *plan)
{
    s->at += held;
    if (held > 0)
        s->held = s->rates[s->at - 1];
    if (s->at >= s->n)
        return false;
    s->missed = s->rates[s->at];
    if (s->retries == RETRIES_MAX)
        return halve(s, plan);
    s->retries++;
    s->phase = OH__SEARCH_RETRYING;
    return append(s, plan, s->missed);
}

bool oh__load_search_next(struct oh__load_search *s, unsigned held, struct oh__load_plan *plan)
{
    if (s->n == 0)
        return false;
    switch (s->phase) {
    case OH__SEARCH_CLIMBING: return climbed(s, held, plan);
    case OH__SEARCH_RETRYING:
        if (!held)
            return halve(s, plan);
        s->held = s->missed;
        s->missed = 0;
        s->at++;
        return climb(s, plan);
    case OH__SEARCH_HALVING:
        if (held)
            s->held = plan->steps[plan->n - 1].rate;
        else
            s->missed = plan->steps[plan->n - 1].rate;
        return halve(s, plan);
    }
    return false;
}
