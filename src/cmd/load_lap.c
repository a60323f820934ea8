/*
 * Between two laps of a run all workers wait, so their figures can be read and
 * the plan can be changed without a lock. A run has one lap; the search for a
 * limit has several.
 */
#include "cmd/load.h"

#include "net/system.h"

#define LEAD_IN (5 * OH__MS) /* from the gate to the first operation */

/* Adds up what all workers did in a step; whether there was anything, and whether it was held. */
static bool judge(const struct oh__load_run *run, unsigned step, bool *held)
{
    uint64_t attempted = 0, completed = 0, lost = 0, late = 0;

    for (unsigned k = 0; k < run->workers_n; k++) {
        const struct oh__load_stats *s = &run->workers[k]->stats[step];

        attempted += s->attempted;
        completed += s->completed;
        lost += s->failed + s->abandoned;
        late += s->late;
    }
    *held = oh__load_is_held(attempted, completed, lost, late);
    return attempted > 0;
}

/* Cuts what was not begun off the plan; how many steps of the lap were held one behind another. */
static unsigned close_lap(struct oh__load_run *run)
{
    struct oh__load_plan *plan = run->plan;
    unsigned held = 0, last = run->first_step;
    bool all_held = true, this_one;
    uint64_t fed = 0;

    for (unsigned k = 0; k < run->workers_n; k++)
        fed = run->workers[k]->fed_at > fed ? run->workers[k]->fed_at : fed;
    for (unsigned i = run->first_step; i < plan->n && judge(run, i, &this_one); i++) {
        all_held = all_held && (this_one || !plan->steps[i].counted);
        held += all_held && plan->steps[i].counted;
        last = i;
    }
    plan->n = last + 1;
    if (fed - run->start < plan->steps[last].until)
        plan->steps[last].until = fed - run->start;
    return held;
}

void oh__load_next_lap(struct oh__load_run *run)
{
    unsigned held;

    run->over = atomic_load(&run->unregistered) || atomic_load(&run->error);
    if (run->laps++ > 0 && !run->over) {
        if (run->config->ramp_to > 0) {
            held = close_lap(run);
            run->first_step = run->plan->n;
            run->over = atomic_load(&run->quit) ||
                        !oh__load_search_next(&run->search, held, run->plan);
        } else {
            run->over = true;
        }
    }
    if (run->over)
        return;
    atomic_store(&run->stop, atomic_load(&run->quit) ? OH__LOAD_STOP_SOON : OH__LOAD_GO);
    run->start = oh__clock_now() + LEAD_IN - run->plan->steps[run->first_step].from;
}
