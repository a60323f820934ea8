workers = 1
registrar = {
    contacts = 5,
    contacts = 6,
}
workers = 2
if workers then
    workers = 3
end
string = {}
--! 4:5 'registrar.contacts' is set twice: the first is on line 3
--! 6:1 'workers' is set twice: the first is on line 1
--! 8:5 'workers' is set twice: the first is on line 1
--! 10:1 the built-in name 'string' cannot be set
