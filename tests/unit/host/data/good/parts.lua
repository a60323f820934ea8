-- Values out of the environment, a secret file, and an included file.
domains = {
    env("OFFHOOK_TEST_DOMAIN"),
    env("OFFHOOK_TEST_NOT_SET", "default.example"),
    file("part/secret"),
}
local limits_of_phones = include "part/registrar.inc"
assert(limits_of_phones == 7)
