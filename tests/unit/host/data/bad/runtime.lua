no_auth = 3
local x
proxy = { recurse = true,
          record_route = x.y }
workers = 9999
--! 1:11 'no_auth' must be true or false, but is 3
--! 4:26 attempt to index a nil value (local 'x')
