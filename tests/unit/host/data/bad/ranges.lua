workers = 65
registrar = { contacts = 0, expires_min = "2 h", expires_max = "10 d" }
proxy = { timer_c = "1 s", ring_time = 4000, nat_keepalive = "1 s", branches = 101 }
abuse = { failures = -1, window = 0.5 }
limits = { message = 100, body = "5 MiB", headers = "65535 B", uri = "1 GiB" }
timers = { t1 = "5 s", t2 = "4 s" }
--! 1:11 'workers' must be 0 to 64, but is 65
--! 2:1 'registrar.expires_default' (3600 s) is below 'expires_min' (7200 s)
--! 2:26 'registrar.contacts' must be 1 to 32, but is 0
--! 2:64 'registrar.expires_max' must be 1 s to 7 d, but is "10 d"
--! 3:21 'proxy.timer_c' must be 10 s to 1 h, but is "1 s"
--! 3:40 'proxy.ring_time' must be 1 s to 1 h, but is 4000
--! 3:62 'proxy.nat_keepalive' must be 0, or 5 s to 1 h, but is "1 s"
--! 3:80 'proxy.branches' must be 1 to 100, but is 101
--! 4:22 'abuse.failures' must be 0, or 1 to 100000, but is -1
--! 4:35 'abuse.window' must be 1 s to 1 d, but is 0.5
--! 5:22 'limits.message' must be 1500 B to 65535 B, but is 100
--! 5:34 'limits.body' must be 64 B to 4 MiB, but is "5 MiB"
--! 5:70 'limits.uri' must be 64 B to 16 KiB, but is "1 GiB"
--! 6:29 'timers.t2' is below 't1'
