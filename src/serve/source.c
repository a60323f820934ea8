#include "serve/source.h"

struct oh_addr oh__source_of(const struct oh_addr *peer)
{
    struct oh_addr s = *peer;

    oh_addr_unmap(&s);
    s.port = 0;
    if (s.family == OH_FAMILY_IPV6)
        memset(s.ip + 8, 0, 8);
    return s;
}

/* The last byte tells the families apart; a zone fills four of the bytes that a /64 leaves free. */
void oh__source_key(const struct oh_addr *peer, uint8_t key[OH__SOURCE_KEY])
{
    struct oh_addr s = oh__source_of(peer);

    memcpy(key, s.ip, OH__SOURCE_KEY);
    key[15] = s.family;
    for (int i = 0; i < 4 && s.family == OH_FAMILY_IPV6; i++)
        key[8 + i] = (uint8_t)(s.scope >> 8 * i);
}
