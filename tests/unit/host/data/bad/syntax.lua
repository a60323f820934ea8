listen = {
  "udp:0.0.0.0:5060"
no_auth = true
--! 3:1 '}' expected (to close '{' at line 1) near 'no_auth'
