"""The rules of STYLE.md that a script can check. Each yields (line, rule, what and what to do)."""

import os
import re

from lintlib.source import closing, outside_parens, signature

MAX_FUNCTION, MAX_FILE, MAX_NESTING, MAX_PARAMS, MAX_WIDTH = 80, 1000, 4, 7, 100

# Who may include whom (ARCHITECTURE.md, "Layers"). serve knows of store only what may be asked.
ALLOWED = {
    "base": set(),
    "sip": {"base"},
    "sdp": {"base"},
    "core": {"sip", "base"},
    "store": {"base"},
    "serve": {"core", "sip", "base"},
    "net": {"sip", "base"},
    "media": {"sdp", "base"},
    "ua": {"core", "sip", "sdp", "media", "base"},
    "services": {"serve", "ua", "core", "sip", "sdp", "media", "base"},
    "host": {"net", "store", "serve", "services", "ua", "admin", "core", "sip", "base"},
    "admin": {"store", "serve", "core", "sip", "base"},
    "cmd": {"host", "ua", "media", "core", "sip", "sdp", "net", "base"},
}
SINGLE_HEADERS = {"serve": {"store/store.h"}, "services": {"store/store.h"}}
PURE = {"base", "sip", "sdp", "core", "serve"}  # no system calls, no changeable file scope
LIBRARY = {"base", "sip", "sdp", "core", "media", "ua"}  # layers with public headers
SOCKET_USERS = {"net", "host", "cmd"}

# Outside libraries stay behind one layer's structs of functions.
LIBRARIES = [
    (re.compile(r"openssl/|ares\w*\.h"), {"net"}),
    (re.compile(r"sqlite3\.h"), {"store"}),
    (re.compile(r"l(?:ua\w*|auxlib|ualib)\.h"), {"host"}),
    (re.compile(r"jansson\.h"), {"host", "cmd", "admin"}),
]
SYSTEM_HEADER = re.compile(
    r"(?:sys/(?:socket|epoll|select|time|timerfd|eventfd|un|uio|ioctl|mman|wait|stat)|netinet/\w+|"
    r"arpa/inet|net/if|netdb|poll|unistd|fcntl|signal|dirent)\.h")

UNSAFE = {
    "strcpy": "copy spans, or write through struct oh_buf",
    "strcat": "write through struct oh_buf",
    "strncpy": "write through struct oh_buf",
    "sprintf": "use snprintf, or write through struct oh_buf",
    "vsprintf": "use vsnprintf",
    "strtok": "cut spans",
    "strtok_r": "cut spans",
    "atoi": "use oh_span_u32 or oh_span_u64, which check",
    "atol": "use oh_span_u64, which checks",
    "atoll": "use oh_span_u64, which checks",
    "gets": "read a bounded number of bytes",
    "alloca": "use the message's arena",
}
UNSAFE.update({name: "parse spans by hand, scanf ignores overflow" for name in (
    "scanf", "sscanf", "fscanf", "vscanf", "vsscanf", "vfscanf")})
HEAP = set("malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign "
           "memalign asprintf vasprintf".split())
SOCKETS = set("socket socketpair bind listen accept accept4 connect send sendto sendmsg sendmmsg "
              "recv recvfrom recvmsg recvmmsg getsockopt setsockopt getsockname getpeername "
              "poll ppoll select pselect epoll_create1 epoll_ctl epoll_wait shutdown".split())
CLOCKS = set("time gettimeofday clock clock_gettime nanosleep clock_nanosleep sleep usleep "
             "timerfd_create setitimer alarm".split())
NAMES = set("getaddrinfo getnameinfo gethostbyname gethostbyaddr res_search res_query".split())
ENTROPY = set("rand random srand srandom drand48 rand_r getrandom getentropy".split())
OUTPUT = set("printf fprintf vprintf vfprintf puts fputs fopen perror exit getenv system "
             "popen".split())
CALL = re.compile(r"(?<![\w.>])([a-z_]\w*)\s*\(")

# Spelled in two parts, so that this file keeps the rule.
UNFINISHED = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME)\\b")
OUTSIDE = re.compile("/" + "work/|" + r"\.\./" + "shared")


def layer_of(path):
    """The layer of a path under src/, or None."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def text_rules(path, text):
    """What holds for every text file of the project."""
    if "\r" in text:
        yield text[:text.index("\r")].count("\n") + 1, "ends", "carriage return; use LF alone"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "ends", "no line end at the end of the file; add one"
    if text.endswith("\n\n") and "/data/" not in path:  # test data may be as odd as it likes
        yield text.count("\n"), "ends", "empty lines at the end of the file; remove them"
    code = path.endswith((".c", ".h", ".py")) or text.startswith("#!")
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip():
            yield number, "blanks", "trailing blanks; remove them"
        if code and "\t" in line:
            yield number, "blanks", "tab character; indent with spaces, write \\t in strings"
        if code and len(line) > MAX_WIDTH:
            yield number, "width", "%d columns (ceiling %d); break the line" % (
                len(line), MAX_WIDTH)
        found = UNFINISHED.search(line)
        if found:
            yield number, "unfinished", "%s; finish it now or open an issue" % found.group()
        found = OUTSIDE.search(line)
        if found:
            yield number, "outside", "'%s' is not in the project; refer to something that is" % \
                found.group()


def size_rules(source):
    """Ceilings on files, functions, nesting and parameters."""
    count = source.raw.count("\n")
    if count > MAX_FILE:
        yield count, "file-length", "%d lines (ceiling %d); split the concept in two files" % (
            count, MAX_FILE)
    for f in source.functions:
        if f.lines > MAX_FUNCTION:
            yield f.line, "function-length", "%s has %d lines (ceiling %d); take a step out" % (
                f.name, f.lines, MAX_FUNCTION)
        if f.nesting > MAX_NESTING:
            yield f.line, "nesting", "%s nests %d deep (ceiling %d); return early" % (
                f.name, f.nesting, MAX_NESTING)
        if f.params > MAX_PARAMS:
            yield f.line, "params", "%s takes %d parameters (ceiling %d); pass a struct" % (
                f.name, f.params, MAX_PARAMS)


def call_rules(source):
    """Calls that are banned everywhere or in this layer."""
    path, layer = source.path, layer_of(source.path)
    own = {f.name for f in source.functions if f.static}
    for match in CALL.finditer(source.code):
        name = match.group(1)
        if name in own:
            continue
        line = source.line_of(match.start())
        if name in UNSAFE:
            yield line, "banned", "%s is banned; %s" % (name, UNSAFE[name])
        if layer is None:
            continue
        if name in HEAP and path != "src/base/alloc.c":
            yield line, "heap", "%s outside src/base/alloc.c; use a struct oh_alloc" % name
        elif name in SOCKETS and layer not in SOCKET_USERS:
            yield line, "system", "%s outside src/net; ask for it through the door" % name
        elif name in CLOCKS and layer != "net":
            yield line, "clock", "%s outside src/net; take now as a parameter" % name
        elif name in NAMES and layer != "net":
            yield line, "names", "%s blocks; resolve through src/net" % name
        elif name in ENTROPY and layer != "net":
            yield line, "entropy", "%s outside src/net; take the seeded generator" % name
        elif name in OUTPUT and layer in PURE:
            yield line, "output", "%s in a layer without I/O; return it or trace it" % name


def public_layers(paths):
    """Which library layer implements a public header: the one with a source of the same name."""
    found = {}
    for path in paths:
        layer = layer_of(path)
        if layer in LIBRARY and path.endswith(".c"):
            found.setdefault(os.path.basename(path)[:-2], set()).add(layer)
    return {name + ".h": next(iter(layers)) for name, layers in found.items() if len(layers) == 1}


def include_rules(source, public):
    """Who may include whom; `public` maps a public header's name to its layer."""
    path, layer = source.path, layer_of(source.path)
    header = path.startswith("include/offhook/")
    if header:
        layer = public.get(os.path.basename(path))
    for number, line in enumerate(source.lines, 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if not match:
            continue
        name = match.group(2)
        if header and match.group(1) == '"':
            yield number, "layers", "a public header includes a private one; publish or forward it"
        if layer not in ALLOWED:
            continue
        if name.startswith("offhook/"):
            target = public.get(name[len("offhook/"):], layer)
        elif match.group(1) == '"':
            target = name.split("/")[0] if "/" in name else layer
            if "/" not in name and not header:
                yield number, "layers", 'write "%s/%s", so that the layer shows' % (layer, name)
        else:
            target = layer
            if layer in PURE and SYSTEM_HEADER.fullmatch(name):
                yield number, "layers", "<%s> in a layer without system calls; move to net" % name
            for pattern, layers in LIBRARIES:
                if pattern.match(name) and layer not in layers:
                    yield number, "layers", "<%s> belongs in %s only" % (
                        name, ", ".join(sorted(layers)))
        if target != layer and target not in ALLOWED[layer] and \
                name not in SINGLE_HEADERS.get(layer, ()):
            yield number, "layers", "%s may not include %s (%s); see ARCHITECTURE.md" % (
                layer, target, name)


def sentence(text):
    """Does a comment say something: three words and a full stop?"""
    return text and len(text.split()) >= 3 and re.search(r"[.!?](?:\s|$|\))", text)


def header_rules(source):
    """The header is the contract: every prototype is explained and named for where it lives."""
    if not source.path.endswith(".h") or not source.path.startswith(("include/", "src/")):
        return
    for chunk in source.chunks:
        if chunk.kind != "declaration" or re.match(r"(typedef|static)\b", chunk.head):
            continue
        bare = outside_parens(chunk.head)
        name, _ = signature(chunk.head)
        variable = re.search(r"\(\s*\*", chunk.head[:chunk.head.find(name or "(") + 1])
        if not name or "=" in bare or variable or "{" in chunk.text or name == "_Static_assert":
            continue
        line = source.line_of(chunk.start)
        if not sentence(source.comment_before(chunk.start)):
            yield line, "contract", "%s has no sentence above it; say what it does, its results " \
                "and who owns what" % name
        if source.path.startswith("include/"):
            if not name.startswith("oh_") or name.startswith("oh__"):
                yield line, "names", "%s is public; name it oh_..." % name
        elif not name.startswith("oh__"):
            yield line, "names", "%s is shared inside; name it oh__..., or declare it in " \
                "include/offhook" % name


def scope_rules(source):
    """Below net nothing at file scope may change, nor any static inside a function."""
    if layer_of(source.path) not in PURE:
        return
    for chunk in source.chunks:
        if chunk.kind == "declaration":
            name = changeable(chunk)
            if name:
                yield source.line_of(chunk.start), "state", "%s can change at file scope; " \
                    "make it const or keep it in an object" % name
        else:
            body = chunk.text.index("{", len(chunk.head))
            for match in re.finditer(r"\b(?:static|_Thread_local)\b[^;=]*", chunk.text[body:]):
                if not is_const(match.group()):
                    yield source.line_of(chunk.start + body + match.start()), "state", \
                        "changeable static in %s; keep it in an object" % signature(chunk.head)[0]


def is_const(declarator):
    """Is the object itself const: const after the last star, or anywhere when there is none?"""
    after = declarator[declarator.rfind("*") + 1:]
    return bool(re.search(r"\bconst\b", after))


def changeable(chunk):
    """The name of the changeable variable that a file-scope declaration defines, or None."""
    head = chunk.head
    if re.match(r"(typedef|extern|_Static_assert)\b", head):
        return None
    declarator = head
    brace, equal = head.find("{"), head.find("=")
    if equal >= 0 and (brace < 0 or equal < brace):
        declarator = head[:equal]
    elif brace >= 0:  # a type, maybe with a variable behind it
        declarator = head[:brace] + head[head.rfind("}") + 1:]
        if not head[head.rfind("}") + 1:].strip():
            return None
    declarator = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", declarator, flags=re.DOTALL)
    if re.fullmatch(r"\s*(?:struct|union|enum)\s+\w+\s*", declarator):
        return None  # a forward declaration
    pointer = re.search(r"\(\s*\*([^()]*)\)\s*\(", declarator)
    if pointer:  # a pointer to a function
        return None if "const" in pointer.group(1) else pointer.group(1).strip(" []") or "pointer"
    if "(" in declarator:
        at = declarator.index("(")
        rest = declarator[closing(declarator, at) + 1:]
        if not re.match(r"\s*\[", rest):
            return None  # a prototype, or a macro's use
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^\]]*\]", "", declarator))
    if len(names) < 2 or is_const(declarator):
        return None
    return names[-1]


def naming_rules(source):
    """Three levels of name: oh_ public, oh__ shared inside, no prefix for static."""
    if layer_of(source.path) is None:
        return
    for match in re.finditer(r"\btypedef\s+(struct|union)\b", source.plain):
        yield source.line_of(match.start()), "names", "typedef of a %s; write struct in full" % \
            match.group(1)
    for f in source.functions:
        if f.static and f.name.startswith("oh_") and source.path.endswith(".c"):
            yield f.line, "names", "%s is static; drop the prefix" % f.name
        if not f.static and not f.name.startswith("oh_") and f.name != "main":
            yield f.line, "names", "%s is not static; make it so, or name it oh__..." % f.name


def c_rules(source, public):
    """All rules for one C file."""
    yield from size_rules(source)
    yield from call_rules(source)
    yield from include_rules(source, public)
    yield from header_rules(source)
    yield from scope_rules(source)
    yield from naming_rules(source)


def link_rules(path, text, exists):
    """Links in Markdown must lead to something: `exists` answers for a path in the project."""
    fence = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fence = not fence
        if fence:
            continue
        for match in re.finditer(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            target = match.group(1).split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            where = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if not exists(where):
                yield number, "links", "%s does not exist; mend the link" % match.group(1)
