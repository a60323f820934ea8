/* The parts of the harness for messages. */
#ifndef OH_TESTS_FUZZ_MESSAGE_PARTS_H
#define OH_TESTS_FUZZ_MESSAGE_PARTS_H

#include <offhook/msg.h>

#include "fuzz.h"

/*
 * Edits a message as a proxy does, with a base list and a branch list that the script chooses, and
 * checks that the result is the message that the edits describe.
 */
void message_edits(const struct oh_msg *m, struct fuzz_bytes *script);

#endif
