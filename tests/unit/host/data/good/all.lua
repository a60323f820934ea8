# A first line that begins with a number sign is skipped, as Lua does.
-- Every setting with a value that is not its default.
listen = {
    { "udp:127.0.0.1:5070", advertise = "sip.example.com:5080", optional = true },
    "tcp:[::1]", "udp:127.0.0.1:0",
}
domain_defaults = { mode = "redirect", accept_foreign = true, digest = { "SHA-256", "MD5" } }
domains = {
    "Example.COM.",
    { "example.org", mode = "proxy", accept_foreign = false, digest = "MD5" },
    { "192.0.2.1", alias_of = "example.com" },
}
default_domain = "example.org"
no_auth = true
server_name = "x/1"
state = "/tmp/s"
workers = 3
user = "nobody"
trusted = { "10.0.0.0/8", "::1" }
registrar = { expires_min = 30, expires_default = "10 min", expires_max = "1.5 h", contacts = 3,
    contact_size = "1 KiB" }
proxy = { timer_c = "4 min", ring_time = "20 s", branches = 5, max_breadth = 20, recurse = false,
    record_route = false, nat_keepalive = 0, call_max = "1 d" }
abuse = { failures = 0, window = "2 min", ban = "1 h", nonce_life = "90 s" }
maintenance = { on = true, retry_after = 120 }
limits = { message = "8 KiB", headers = 4096, body = 2000, uri = 256, stream_message = "128 KiB",
    transactions = 5000, completed = 6000, bindings = 700, policy_steps = 5000,
    policy_memory = "4 MiB", shared = 99 }
connections = { max = 64, per_source = 8, message_timeout = "3 s", idle_timeout = "2 min",
    send_queue = "128 KiB" }
timers = { t1 = "250 ms", t2 = 2, t4 = "2.5 s" }
log = { level = "debug", to = "/tmp/offhook.log" }
function on_call(r) end
function on_register(r) end
