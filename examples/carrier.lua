-- A carrier's edge: several domains, a public address behind a load balancer,
-- strict limits, and a policy that keeps floods and wrong numbers away.

listen = {
    { "udp:0.0.0.0:5060", advertise = "sip.example.net" },
    { "tcp:0.0.0.0:5060", advertise = "sip.example.net" },
}

domains = {
    { "example.net", digest = { "SHA-256", "MD5" } },
    { "sip.example.net", alias_of = "example.net" },
    { "directory.example.net", mode = "redirect", accept_foreign = true },
}

trusted = { "198.51.100.0/24", "2001:db8:5::/48" } -- our own gateways

registrar = { expires_min = "5 min", expires_default = "1 h", expires_max = "2 h", contacts = 5 }

proxy = { ring_time = "25 s", branches = 8 }

abuse = { failures = 10, window = "1 min", ban = "30 min" }

limits = { transactions = 1000000, bindings = 5000000, body = "32 KiB" }

log = { level = "warn", to = "/var/log/offhook.log" }
state = "/var/lib/offhook"
user = "offhook"

-- No source may start more than 20 calls within ten seconds, gateways excepted.
function on_call(r)
    if not r.trusted and shared.count("calls:" .. r.source, "10 s") > 20 then
        return reply{ 503, headers = { ["Retry-After"] = "10" } }
    end
    if r.user == "112" then
        return route{ { "sip:112@198.51.100.1", q = 1 }, { "sip:112@198.51.100.2", q = 0.5 } }
    end
end

-- Messages are for people: nothing but text passes.
function on_request(r)
    if r.method == "MESSAGE" then
        local kind = r.header("Content-Type") or "text/plain"
        if not kind:lower():find("text/", 1, true) then
            return reply{ 415, headers = { Accept = "text/plain" } }
        end
    end
end

-- One old firmware registers every second and learns nothing from errors.
function on_register(r)
    if r.agent and r.agent:find("^BadPhone/1%.") then
        return reply{ 403, reason = "Please update your phone" }
    end
end
