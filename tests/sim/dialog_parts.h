/*
 * What the files of a phone share about dialogs: peer_call.c begins and ends
 * calls, peer_dialog.c does what happens in between.
 */
#ifndef OH_TESTS_SIM_DIALOG_PARTS_H
#define OH_TESTS_SIM_DIALOG_PARTS_H

#include "phone_parts.h"

/* ---- peer_call.c ---- */

/* The call with these tags; NULL: there is none. */
struct phone_call *phone_call_find(struct phone *ph, struct oh_span call, struct oh_span local,
                                   struct oh_span remote);

/* The Contact row of this phone. */
struct oh_span phone_contact_row(struct phone *ph);

/* Accepts the INVITE in c->invite within a call that is up. */
void phone_call_accept_again(struct phone *ph, struct phone_call *c);

/* ---- peer_dialog.c ---- */

/* An INVITE came with a To tag. */
void phone_call_again(struct phone *ph, const struct oh_output *o);

/* An INVITE of ours within a call has its final response. */
void phone_invite_ended(struct phone *ph, const struct phone_task *t);

/* Sends the reliable 183, or sends it again; false when nobody has acknowledged it in time. */
bool phone_call_insists(struct phone *ph, struct phone_call *c);

/* A provisional response came: a reliable one is acknowledged, each once. */
void phone_acknowledge(struct phone *ph, struct phone_task *t, const struct oh_msg *m);

/* The code that answers a request other than INVITE; code: what the manner says. */
unsigned phone_code_within(struct phone *ph, const struct oh_msg *m, unsigned code);

/* What a request calls for besides its answer: NOTIFY, or a call to somebody else. */
void phone_follow(struct phone *ph, const struct oh_msg *m, unsigned code);

#endif
