/* Text between the program and JSON, which holds UTF-8 and nothing else. */
#ifndef OH_HOST_CONTROL_JSON_H
#define OH_HOST_CONTROL_JSON_H

#include <jansson.h>

#include <offhook/span.h>

struct oh_addr;

/* A JSON string; bytes that are no UTF-8 become "?". NULL when memory is short. */
json_t *oh__json_text(struct oh_span text);

/* As oh__json_text with "address:port". */
json_t *oh__json_addr(const struct oh_addr *addr);

/* The text of a member; p == NULL when it is absent or no string. Lives as long as the object. */
struct oh_span oh__json_member(const json_t *object, const char *key);

/* The terminated text of a member; "" when it is absent or no string. */
const char *oh__json_str(const json_t *object, const char *key);

/* A member as a number from 0; fallback when it is absent, no integer or negative. */
uint64_t oh__json_u64(const json_t *object, const char *key, uint64_t fallback);

#endif
