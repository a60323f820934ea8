/*
 * The one encoding of an AOR's bindings: in the journal, in snapshots and in
 * the table itself, so that an update encodes once and a look-up is a copy of
 * bytes that is decoded after the lock is gone.
 */
#ifndef OH_SERVE_LOCATION_RECORD_H
#define OH_SERVE_LOCATION_RECORD_H

#include "serve/location.h"

/* Bytes of the record of a list that is empty. */
#define OH__LOCATION_RECORD_EMPTY 2

/* Bytes that the record of a list takes; 0 when a text is longer than 65,535 bytes. */
size_t oh__location_record_size(const struct oh__binding_list *list);

/* Writes the record into as many bytes as oh__location_record_size says. */
void oh__location_record_put(char *to, const struct oh__binding_list *list);

/*
 * Decodes a record from anywhere; texts point into it. OH_OK, or OH_E_CORRUPT when it is not of the
 * form, and then nothing is written that matters.
 */
int oh__location_record_get(struct oh_span record, struct oh__binding_list *out);

/*
 * How many bindings of a record made by oh__location_record_put have expired at wall; *earliest is
 * lowered to the earliest expiry of the others.
 */
unsigned oh__location_record_expired(struct oh_span record, uint64_t wall, uint64_t *earliest);

/* Marks the bindings of a stream unreachable, in place; returns how many were reachable. */
unsigned oh__location_record_unreach(char *record, size_t n, uint64_t flow_id);

/* Stores a round trip for the binding with this id, in place, if it is there. */
void oh__location_record_rtt(char *record, size_t n, uint64_t id, uint32_t rtt_us);

/* Takes out of a list what has expired at wall. */
void oh__location_drop_expired(struct oh__binding_list *list, uint64_t wall);

#endif
