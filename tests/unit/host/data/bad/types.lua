no_auth = "yes"
workers = 1.5
registrar = {
    expires_default = "5 furlongs",
    expires_max = true, contacts = "ten",
}
proxy = { recurse = 1, call_max = {} }
limits = "many"
log = { level = "loud", to = 7 }
server_name = "two\nlines"
on_call = "reply"
maintenance = true
domain_defaults = { digest = { "MD5", "MD5" }, mode = "redirect" }
timers = { t1 = "-1 s" }
--! 1:11 'no_auth' must be true or false, but is "yes"
--! 2:11 'workers' must be a whole number, but is 1.5
--! 4:23 'registrar.expires_default' must be a time such as "30 s" or "5 min", but is "5 furlongs"
--! 5:19 'registrar.expires_max' must be a time such as "30 s" or "5 min", but is a boolean
--! 5:36 'registrar.contacts' must be a whole number, but is "ten"
--! 7:21 'proxy.recurse' must be true or false, but is 1
--! 7:35 'proxy.call_max' must be a time such as "30 s" or "5 min", but is a table
--! 8:10 'limits' must be a table of settings in {}, but is a string
--! 9:17 'log.level' must be one of "error", "warn", "info", "debug", but is "loud"
--! 9:30 'log.to' must be a text in quotes, but is 7
--! 10:15 'server_name' must not hold control characters
--! 11:11 'on_call' must be a function, but is a string
--! 12:15 'maintenance' must be a table of settings in {}, but is a boolean
--! 13:30 'domain_defaults.digest' names "MD5" twice
--! 14:17 'timers.t1' must be a time such as "30 s" or "5 min", but is "-1 s"
