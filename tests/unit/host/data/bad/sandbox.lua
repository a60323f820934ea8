local t = { os, io, require, load, loadstring, dofile, debug, package, rawset, setmetatable,
    getmetatable, coroutine, collectgarbage, print, rawget, _G }
--! 1:13 unknown name 'os'
--! 1:17 unknown name 'io'
--! 1:21 unknown name 'require'
--! 1:30 unknown name 'load'
--! 1:36 unknown name 'loadstring': did you mean 'tostring'?
--! 1:48 unknown name 'dofile': did you mean 'file'?
--! 1:56 unknown name 'debug'
--! 1:63 unknown name 'package'
--! 1:72 unknown name 'rawset'
--! 1:80 unknown name 'setmetatable'
--! 2:5 unknown name 'getmetatable'
--! 2:19 unknown name 'coroutine'
--! 2:30 unknown name 'collectgarbage'
--! 2:46 unknown name 'print'
--! 2:53 unknown name 'rawget'
--! 2:61 unknown name '_G'
