/*
 * RFC 3261 10.3 steps 6 and 7 as a function of the bindings there are and the
 * request: no table, no lock, no memory.
 */
#ifndef OH_SERVE_LOCATION_APPLY_H
#define OH_SERVE_LOCATION_APPLY_H

#include "serve/location.h"

/*
 * What the bindings `now` (none of them expired) become by a REGISTER that is no fetch. New
 * bindings get id 0. Unreachable ones give way, as oh__location_register says. OH_OK; OH_E_STATE
 * when Call-ID and CSeq are out of order, OH_E_LIMIT for too many contacts; *next is to be used
 * only after OH_OK. A repeated REGISTER gives *done OH__REG_REPEATED and a copy of now.
 */
int oh__location_apply(const struct oh__binding_list *now, const struct oh__registration *reg,
                       struct oh__binding_list *next, enum oh__registered *done);

#endif
