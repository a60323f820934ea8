-- An office: two dozen phones, one domain, calls to the outside through the
-- provider's gateway. Check it with:   offhook check examples/office.lua

domains = { "example.com" }

-- The gateway sends no password; its address is what is trusted.
local gateway = "192.0.2.10"
trusted = { gateway }

registrar = {
    expires_min = "1 min",
    expires_default = "10 min", -- phones behind the home router of a colleague stay reachable
}

-- Numbers of the outside begin with 0 and may only be dialled by our own phones.
function on_call(r)
    local number = r.user and r.user:match("^0(%d+)$")
    if not number then
        return -- a colleague: ring the phones that are registered
    end
    if not r.account then
        return reply{ 403, reason = "Only for our own phones" }
    end
    -- A stolen password must not empty the bank account over night.
    if shared.count("outside:" .. r.account, "1 h") > 30 then
        log("too many outside calls of", r.account)
        return reply{ 403, reason = "Too many calls" }
    end
    return route{ "sip:+49" .. number .. "@" .. gateway }
end
