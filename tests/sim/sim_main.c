#include <stdio.h>
#include "world.h"
static void rings(struct world *w, void *arg)
{
    struct peer *alice = peer_new(w, "192.0.2.10:5060", "alice");
    struct peer *bob = peer_new(w, "192.0.2.11:5060", "bob");
    const struct oh_msg *m;
    (void)arg;
    peer_register(bob, 3600);
    peer_request(alice, &(struct peer_request){.method = "INVITE", .uri = "sip:bob@example.test"});
    m = peer_expect(bob, "INVITE");
    peer_reply(bob, m, 180, "");
    peer_expect(alice, "180 INVITE");
    peer_reply(bob, m, 486, "");
    m = peer_expect(alice, "486");
    CHECK(w, message_rows(m, OH_HEADER_VIA) == 1);
    peer_ack(alice, m);
    peer_none(alice, "486", 40000);
    world_finish(w);
}
int main(void)
{
    struct world_options o = {.seed = 1};
    struct world *w = world_new(&o);
    const char *why = world_try(w, rings, NULL);
    printf("%s\n%s", why ? why : "ok", world_ladder(w));
    world_free(w);
    return why != NULL;
}
