-- A laboratory: everybody may do everything, on this machine only, with short
-- timers. Never use it on a network that strangers can reach.

listen = { "udp:127.0.0.1:5060", "tcp:127.0.0.1:5060" }
no_auth = true
state = env("OFFHOOK_LAB_STATE", "/tmp/offhook-lab")

registrar = { expires_min = "1 s", expires_default = "5 min" }
timers = { t1 = "100 ms", t2 = "800 ms", t4 = "1 s" } -- lost packets are repeated sooner
proxy = { ring_time = "10 s", nat_keepalive = 0 }
log = { level = "debug" }

-- Users with a number for a name answer with that number: sip:486@127.0.0.1 is
-- always busy, sip:404@... never there.
function on_call(r)
    local code = tonumber(r.user)
    if code and code >= 300 and code <= 699 then
        return reply{ code }
    end
end
