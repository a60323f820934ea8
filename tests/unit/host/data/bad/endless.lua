no_auth = true
while true do end
--! 2:1 stopped after its budget of 20000000 steps
