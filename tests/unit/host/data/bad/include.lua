include "part/wrong.inc"
state = file("part/no-such-secret")
user = env("OFFHOOK_TEST_NO_SUCH_VARIABLE", 5)
include "part/absent.inc"
--! 2:9 file: 'part/no-such-secret' cannot be read
--! 3:8 'user' must be a text in quotes, but is 5
--! 4:9 include: 'part/absent.inc' cannot be read
--! 2:16 'registrar.contacts' must be 1 to 32, but is -5
