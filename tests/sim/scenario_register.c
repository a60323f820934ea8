/* Registrations: many at once, on bad networks, on bad disks. */
#include "scenario.h"

#include "parts.h"

static void tell_aor(char out[64], unsigned i)
{
    snprintf(out, 64, "u%u@" WORLD_DOMAIN, i);
}

/* A phone's binding is there, if its newest task succeeded and was no removal. */
static void check_binding(struct cast *cast, unsigned i, const struct phone_task *last, bool gone)
{
    char aor[64];

    if (!last || last->code != 200)
        return;
    tell_aor(aor, i);
    CHECK_SAY(cast->world, server_bindings(cast->world, aor) == (gone ? 0 : 1),
              "%s has %u bindings after its REGISTER was answered with 200", aor,
              server_bindings(cast->world, aor));
}

static const struct phone_task *newest(const struct phone *ph)
{
    const struct phone_task *t = NULL;

    for (unsigned i = 0; phone_task(ph, i); i++)
        t = phone_task(ph, i);
    return t;
}

static void wait_for(struct cast *cast, const struct phone_task *t)
{
    for (unsigned i = 0; i < 100 && t && !t->ended; i++)
        world_run(cast->world, 500);
}

/* Rounds of refreshes and removals; in one round all phones speak at once. */
static void rounds(struct cast *cast, unsigned n)
{
    struct world *w = cast->world;
    bool gone[SCENARIO_PHONES] = {false};

    for (unsigned round = 0; round < n; round++) {
        for (unsigned i = 0; i < cast->n; i++) {
            gone[i] = round > 0 && world_chance(w, 25);
            phone_register(cast->phones[i], gone[i] ? 0 : 600 + i, ";q=0.5");
            if (world_chance(w, 30))
                world_run(w, scenario_between(w, 0, 30));
        }
        for (unsigned i = 0; i < cast->n; i++) {
            wait_for(cast, newest(cast->phones[i]));
            check_binding(cast, i, newest(cast->phones[i]), gone[i]);
        }
        world_run(w, scenario_between(w, 0, 60000));
    }
}

void scenario_register_storm(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, SCENARIO_PHONES);
    cast.strict = true;
    scenario_network(w);
    rounds(&cast, 3);
    for (unsigned i = 0; i < cast.n; i++)
        CHECK(w, newest(cast.phones[i])->code == 200);
    scenario_end(&cast);
}

void scenario_register_lossy(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 12);
    scenario_bad_network(w, scenario_between(w, 5, 30));
    rounds(&cast, 4);
    scenario_end(&cast);
}

void scenario_journal(struct world *w, void *arg)
{
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 10);
    scenario_network(w);
    for (unsigned i = 0; i < 3; i++) {
        server_journal_faults(w, scenario_between(w, 0, 40), scenario_between(w, 0, 40));
        rounds(&cast, 2);
        /* What was promised must be there (invariants.h). */
        server_restart(w);
    }
    server_journal_faults(w, 0, 0);
    rounds(&cast, 1);
    for (unsigned i = 0; i < cast.n; i++)
        CHECK_SAY(w, newest(cast.phones[i])->code == 200, "with the disk well again, %s got %d",
                  peer_name(phone_peer(cast.phones[i])), newest(cast.phones[i])->code);
    server_restart(w);
    scenario_end(&cast);
}
