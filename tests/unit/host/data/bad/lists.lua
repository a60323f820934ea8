listen = { "udp:0.0.0.0:5060", "tls:1.2.3.4", { "tcp:9.9.9.9:99999" },
           { "tcp:[::]:5060", advertize = "x" }, 5,
           { "udp:127.0.0.1:5060", advertise = "a b" }, { "udp:127.0.0.1" },
           "udp:239.1.1.1:5060", wrong = 1 }
domains = {
    "example.com",
    { "example.org", mode = "redirct", digest = { "SHA-1" }, alias_of = "nowhere.org" },
    { mode = "proxy" },
    "EXAMPLE.com.",
    { "a.example", alias_of = "b.example" }, { "b.example", alias_of = "example.com" },
    "-bad-.example",
}
trusted = { "10.0.0.0/8", "10.0.0.0/33",
    7 }
default_domain = "elsewhere.example"
--! 1:32 'listen[2]' knows udp and tcp, not tls
--! 1:47 'listen[3]' must have an address such as "192.0.2.1:5060"
--! 2:31 unknown setting 'advertize' in 'listen': did you mean 'advertise'?
--! 2:50 'listen[5]' must be such as "udp:0.0.0.0:5060", but is a number
--! 3:48 'listen[6].advertise' must be a host name or an address, but is "a b"
--! 3:57 'listen[7]' is the same as 'listen[6]'
--! 4:12 'listen[8]' must not be a broadcast or multicast address
--! 4:34 unknown setting 'wrong' in 'listen'
--! 7:29 'domains[2].mode' must be one of "proxy", "redirect", but is "redirct": did you mean
--! 7:49 'domains[2].digest' knows "MD5", "SHA-256" and "SHA-512-256", not "SHA-1"
--! 7:73 'domains[2].alias_of' must be a domain of the list, but is 'nowhere.org'
--! 8:5 'domains[3]' must be such as "example.com", but is a table
--! 9:5 'domains[4]' names 'example.com' a second time
--! 10:31 'domains[5].alias_of' must be a domain that is no alias itself
--! 11:5 'domains[7]' must be a host name or an address, but is "-bad-.example"
--! 13:27 'trusted[2]' must be a network such as "10.0.0.0/8" or an address
--! 14:5 'trusted[3]' must be such as "10.0.0.0/8", but is a number
--! 15:18 'default_domain' must be one of 'domains', but is 'elsewhere.example'
