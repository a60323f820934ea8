lisen = { "udp:0.0.0.0:5060" }
registrar = {
        expires_mim = "60 s",
    ["expires_max"] = "2 h",
}
function on_cal(r) end
function helper() end
local function ok() return 1 end
function on_call(r)
    local a <const>, b = ok(), r.user
    for _, v in ipairs{ 1 } do b = v end
    if b then retrun = 1 end
    goto done
    ::done::
    return replay{ 486, reason = a }
end
user = undefined_name
--! 1:1 unknown setting 'lisen': did you mean 'listen'?
--! 3:9 unknown setting 'expires_mim' in 'registrar': did you mean 'expires_min'?
--! 6:10 unknown function 'on_cal': did you mean 'on_call'?
--! 7:10 unknown function 'helper': write 'local function helper' for one of your own
--! 12:15 a policy function cannot set the global 'retrun': write 'local retrun'
--! 15:12 unknown name 'replay': did you mean 'reply'?
--! 17:8 unknown name 'undefined_name'
