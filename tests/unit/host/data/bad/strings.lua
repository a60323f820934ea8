--[==[ a
 comment ]==] no_auth = "x\z
   y\"" ; local s = [[
}]]
proxy = { recurse = [=[]]]=] }
--! 2:25 'no_auth' must be true or false, but is "xy""
--! 5:21 'proxy.recurse' must be true or false, but is "]]"
