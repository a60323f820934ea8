"""Reading C without a compiler: comments and strings are blanked out, never moved, so that every
offset and line number of the stripped text is one of the file too."""

import bisect
import collections
import re

Function = collections.namedtuple("Function", "name line lines params static nesting")
Chunk = collections.namedtuple("Chunk", "start end kind head text")

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
WORD = re.compile(r"[A-Za-z_]\w*|[{}();:,?\[\]=]")


def blank(text):
    """Spaces instead of everything but line ends."""
    return re.sub(r"[^\n]", " ", text)


class Source:
    """One C file: raw text, `code` (no comments, empty strings), `plain` (no directives either)."""

    def __init__(self, path, text):
        self.path = path
        self.raw = text
        self.lines = text.split("\n")
        self.comments = []  # (start, end, text)
        self.code = TOKEN.sub(self._strip, text)
        self.plain = self._without_directives()
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self.chunks = list(self._chunks())
        self.functions = [self._function(c) for c in self.chunks if c.kind == "function"]

    def line_of(self, offset):
        """The line number of an offset, from 1."""
        return bisect.bisect_left(self._ends, offset) + 1

    def _strip(self, match):
        token = match.group()
        if token.startswith("/"):
            self.comments.append((match.start(), match.end(), token))
            return blank(token)
        return token[0] + blank(token[1:-1]) + token[-1]

    def _without_directives(self):
        """Blanks directives, and every branch but the first of an #if: both could open a brace."""
        out = DIRECTIVE.sub(lambda m: blank(m.group()), self.code)
        dead, stack = [], []  # of the stack: (start of a dead branch or None, a branch was live)
        for match in DIRECTIVE.finditer(self.code):
            word = re.match(r"\s*#\s*(\w*)\s*(\S*)", match.group())
            name, operand = word.group(1), word.group(2)
            if name in ("if", "ifdef", "ifndef"):
                zero = (name, operand) == ("if", "0")
                stack.append((match.end() if zero else None, not zero))
            elif name in ("else", "elif", "endif") and stack:
                start, taken = stack.pop()
                if start is not None:
                    dead.append((start, match.start()))
                if name != "endif":
                    stack.append((match.end() if taken else None, True))
        for start, end in dead:
            out = out[:start] + blank(out[start:end]) + out[end:]
        return out

    def _chunks(self):
        """Cuts the file scope into declarations, function definitions and the rest."""
        text, start, pos = self.plain, 0, 0
        parens = 0
        for match in iter(lambda: re.compile(r"[{}();]").search(text, pos), None):
            char, at = match.group(), match.start()
            pos = at + 1
            if char == "(":
                parens += 1
            elif char == ")":
                parens = max(0, parens - 1)
            elif char == ";" and parens == 0:
                yield self._chunk(start, pos, "declaration", text[start:at])
                start = pos
            elif char == "}":  # the end of extern "C"
                start, parens = pos, 0
            elif char == "{":
                head = text[start:at]
                if re.fullmatch(r'\s*extern\s+"\s*"\s*', head):
                    start = pos
                    continue
                pos = self._matching(at) + 1
                if parens == 0 and self._is_function(head):
                    yield self._chunk(start, pos, "function", head)
                    start = pos

    def _matching(self, at):
        """The offset of the brace that closes the one at `at`."""
        depth = 0
        for match in re.compile(r"[{}]").finditer(self.plain, at):
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return match.start()
        return len(self.plain) - 1

    @staticmethod
    def _is_function(head):
        """A parameter list, no initializer: `int f(void)`, never `struct t x[] =`."""
        if "(" not in head or "=" in outside_parens(head):
            return False
        return bool(re.search(r"\)\s*(?:[A-Za-z_]\w*\s*)?$", head))

    def _chunk(self, start, end, kind, head):
        start += len(head) - len(head.lstrip())
        return Chunk(start, end, kind, head.strip(), self.plain[start:end])

    def _function(self, chunk):
        name, params = signature(chunk.head)
        body = chunk.text[chunk.text.index("{", len(chunk.head)):]
        return Function(name, self.line_of(chunk.start), chunk.text.count("\n") + 1,
                        params, bool(re.search(r"\bstatic\b", chunk.head)), nesting(body))

    def comment_lines(self):
        """The set of line numbers that carry a comment."""
        found = set()
        for start, end, _ in self.comments:
            found.update(range(self.line_of(start), self.line_of(end - 1) + 1))
        return found

    def comment_before(self, offset):
        """The text of the comment that ends on the line above an offset, or None."""
        found, below = [], offset
        for start, end, text in reversed(self.comments):
            if end > below:
                continue
            between = self.raw[end:below]
            alone = not self.raw[self.raw.rfind("\n", 0, start) + 1:start].strip()
            if between.strip() or "\n\n" in between or not alone:
                break
            found.insert(0, text)
            below = start
            if not text.startswith("//"):  # a run of // lines is one comment
                break
        bare = re.sub(r"^\s*(/\*+|\*/|\*|//+)|\*/", "", "\n".join(found), flags=re.MULTILINE)
        return " ".join(bare.split()) or None


def outside_parens(text):
    """The text with everything in parentheses, brackets or braces taken out."""
    out, depth = [], 0
    for char in text:
        if char in "([{":
            depth += 1
        if depth == 0:
            out.append(char)
        if char in ")]}":
            depth = max(0, depth - 1)
    return "".join(out)


def without_attributes(text):
    """Takes out __attribute__((...)) and _Alignas(...), whose parentheses are no parameters."""
    while True:
        match = re.search(r"\b(__attribute__|__declspec|_Alignas|alignas)\s*\(", text)
        if not match:
            return text
        end = closing(text, match.end() - 1)
        text = text[:match.start()] + text[end + 1:]


def closing(text, at):
    """The offset of the parenthesis that closes the one at `at`."""
    depth = 0
    for pos in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[pos], 0)
        if depth == 0:
            return pos
    return len(text) - 1


def signature(head):
    """(name, number of parameters) of a function's or prototype's head; name None if neither."""
    head = without_attributes(head)
    head = re.sub(r"^\s*[A-Z][A-Z0-9_]*\s*\([^()]*\)\s+(?=\w)", "", head)  # OH_PRINTF(1, 2) ...
    match = re.search(r"([A-Za-z_]\w*)\s*\(", head)
    if not match:
        return None, 0
    inner = head[match.end():closing(head, match.end() - 1)]
    returned = re.match(r"\s*\*\s*(?:const\s+)?([A-Za-z_]\w*)\s*\(", inner)
    if returned:  # a function that returns a pointer to a function
        return signature(inner.replace("*", "", 1))
    if inner.strip() in ("", "void"):
        return match.group(1), 0
    return match.group(1), outside_parens(inner).count(",") + 1


def nesting(body):
    """The deepest nesting of control statements in a function's body; `else if` adds none."""
    tokens = WORD.findall(body)
    deepest = 0

    def skip_group(pos):
        """Past a balanced ( ) or { } that starts at pos."""
        depth = 0
        while pos < len(tokens):
            depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(tokens[pos], 0)
            pos += 1
            if depth == 0:
                break
        return pos

    def skip_expression(pos):
        """Past the semicolon of a simple statement, over initializers in braces."""
        while pos < len(tokens) and tokens[pos] not in (";", "}"):
            pos = skip_group(pos) if tokens[pos] in "({[" else pos + 1
        return pos + 1 if pos < len(tokens) and tokens[pos] == ";" else pos

    def is_loop_macro(pos):
        """An unknown word with a group and a block: a macro that loops."""
        if pos + 1 >= len(tokens) or tokens[pos + 1] != "(" or not tokens[pos].isidentifier():
            return False
        after = skip_group(pos + 1)
        return after < len(tokens) and tokens[after] == "{"

    def statement(pos, depth):
        """Past one statement; notes its depth."""
        nonlocal deepest
        deepest = max(deepest, depth)
        while pos < len(tokens) and tokens[pos] in ("case", "default"):
            while pos < len(tokens) and tokens[pos] != ":":
                pos += 1
            pos += 1
        if tokens[pos + 1:pos + 2] == [":"]:  # a label
            pos += 2
        if pos >= len(tokens) or tokens[pos] == "}":
            return pos
        token = tokens[pos]
        if token == "{":
            pos += 1
            while pos < len(tokens) and tokens[pos] != "}":
                pos = max(statement(pos, depth), pos + (tokens[pos] == ";"))
            return pos + 1
        if token == "if":
            pos = statement(skip_group(pos + 1), depth + 1)
            while tokens[pos:pos + 2] == ["else", "if"]:
                pos = statement(skip_group(pos + 2), depth + 1)
            if tokens[pos:pos + 1] == ["else"]:
                pos = statement(pos + 1, depth + 1)
            return pos
        if token in ("for", "while", "switch") or is_loop_macro(pos):
            return statement(skip_group(pos + 1), depth + 1)
        if token == "do":
            pos = statement(pos + 1, depth + 1)
            return skip_expression(pos)
        return skip_expression(pos)

    statement(0, 0)
    return deepest
