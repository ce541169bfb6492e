#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, which file is the one door to each library, and which calls have one home.

The tables below are the rule; everything else in this file only reads sources and compares.
Usage: includes.py [ROOT]      prints one line per wrong edge; exit status 1 if there is any
       includes.py --self-test plants every kind of wrong edge in a scratch tree and expects each found
"""
import fnmatch
import pathlib
import re
import sys
import tempfile

# folder -> prefixes of "..." includes that it may use (its own folder apart)
FOLDERS = {
    "core": ["int8x/"],  # and lower ranks of core, see RANKS
    "proto": ["int8x/", "proto/"],
    "daemon": ["int8x/", "proto/", "daemon/"],
    "worker": ["int8x/", "proto/", "worker/"],
    "client": ["int8x/", "proto/json.h", "proto/roff.h", "proto/trust_file.h", "proto/trust_folder.h",
               "proto/trust_token.h", "client/"],
    "examples": ["int8x/"],
}
# A room includes strictly lower ranks; rooms of one rank do not see each other.
RANKS = {
    "base": 0, "fixed": 1, "kernels": 1, "tensor": 2, "ops": 3, "graph": 4, "formats": 5, "data": 6,
    "quant": 7, "sparse": 7, "cim": 7, "train": 8, "adapt": 9, "run": 10,
}
# library, pattern of its headers, the files that may include them
DOORS = [
    ("nng", r"nng/.*", ["proto/link.c"]),
    ("protobuf-c", r"protobuf-c/.*|.*\.pb-c\.h", ["proto/wire.c", "core/formats/onnx_*.c"]),
    ("cJSON", r"(cjson/)?cJSON.*\.h", ["proto/json.c", "core/formats/safetensors.c"]),
    ("libmicrohttpd", r"microhttpd\.h", ["daemon/http/server.c"]),
    ("SQLite", r"sqlite3\.h", ["daemon/ledger/sqlite*.[ch]"]),
    ("libpq", r"(postgresql/)?libpq.*", ["daemon/ledger/postgres.c"]),
    ("libcurl", r"curl/.*", ["proto/bulk.c", "daemon/store/s3.c", "client/c/*.c"]),
    ("libcrypto and libssl", r"openssl/.*", ["core/base/digest.c", "proto/pki.c", "proto/tls_stream.c"]),
    ("libzip", r"zip\.h|zlib\.h", ["core/data/npz.c"]),
    ("libuv", r"uv\.h|uv/.*", ["daemon/*", "worker/*"]),
    ("Check", r"check\.h", ["tests/*"]),
]
# what, pattern of the call (after comments and strings are gone), its homes, where the rule is looked at
EVERYWHERE = ["core", "proto", "daemon", "worker", "client", "examples"]
CALLS = [
    ("allocation", r"(?<![\w.>])(malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup)\s*\(",
     ["core/base/alloc.c", "examples/*"], EVERYWHERE),
    ("printing", r"(?<![\w.>])(v?printf|puts|putchar|perror)\s*\(|(?<!\w)(v?fprintf|fputs|fputc|fwrite)\s*\([^;]*\bstderr\b",
     ["core/base/log.c", "client/cli/*", "*/main.c", "examples/*"], EVERYWHERE),
    ("unseeded random or wall time", r"(?<![\w.>])(rand|srand|random|drand48)\s*\(|(?<![\w.>])time\s*\(\s*(NULL|0)\s*\)",
     [], EVERYWHERE + ["tests"]),
    ("environment", r"(?<![\w.>])(getenv|secure_getenv|setenv)\s*\(", [], ["core"]),
]
SYSTEM_FORBIDDEN = {  # folder -> patterns of <...> headers it must not know
    "core": r"sys/socket\.h|netinet/.*|arpa/.*|netdb\.h|sys/epoll\.h|uv\.h",
}
SOURCES = (".c", ".h", ".def", ".inc")
SKIPPED = {"build", ".git", ".venv", ".cache", "node_modules", "__pycache__"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def without_comments(text):
    """Comments become spaces; strings stay. Line numbers are kept."""
    def blank(match):
        token = match.group(0)
        return token if token[0] in "\"'" else re.sub(r"[^\n]", " ", token)
    return NOISE.sub(blank, text)


def without_strings(text):
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def edge_fault(path, name):
    """Why path must not include "name", or None."""
    folder = path.split("/")[0]
    if folder == "tests" or name.endswith(".pb-c.h"):
        return None  # tests may include anything; generated headers have a door
    if "/" not in name:
        return "includes are written from the repository root"
    if folder not in FOLDERS:
        return f"folder {folder} has no row in the table"
    if any(name.startswith(prefix) for prefix in FOLDERS[folder]):
        return None
    parts = path.split("/")
    if folder == "core" and name.startswith("core/"):
        own, other = parts[1], name.split("/")[1]
        if own not in RANKS or other not in RANKS:
            return f"room {own if own not in RANKS else other} of core has no rank"
        if own == other or RANKS[other] < RANKS[own]:
            return None
        return f"core/{own} (rank {RANKS[own]}) must not see core/{other} (rank {RANKS[other]})"
    return f"{folder} must not know {name.split('/')[0]}"


def door_fault(path, name):
    for library, pattern, doors in DOORS:
        if re.fullmatch(pattern, name) and not matches(path, doors) and not path.startswith("tests/"):
            return f"{library} has one door: {', '.join(doors)}"
    return None


def faults_of(path, text):
    code = without_comments(text)
    for match in INCLUDE.finditer(code):
        quote, name = match.groups()
        fault = door_fault(path, name)
        if fault is None and quote == '"':
            fault = edge_fault(path, name)
        forbidden = SYSTEM_FORBIDDEN.get(path.split("/")[0])
        if fault is None and quote == "<" and forbidden and re.fullmatch(forbidden, name):
            fault = f"{path.split('/')[0]} must not know <{name}>"
        if fault:
            yield code.count("\n", 0, match.start()) + 1, f"includes {name}: {fault}"
    if not path.endswith((".c", ".h")):
        return
    code = without_strings(text)
    for what, pattern, homes, folders in CALLS:
        if path.split("/")[0] not in folders or matches(path, homes):
            continue
        for match in re.finditer(pattern, code):
            line = code.count("\n", 0, match.start()) + 1
            yield line, f"{what} ({match.group(0).strip()}...) belongs into {', '.join(homes) or 'no file'}"


def sources(root):
    for folder in [*FOLDERS, "tests"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and not SKIPPED & set(path.relative_to(root).parts):
                yield path


def check(root):
    count, faults = 0, []
    for path in sources(root):
        count += 1
        name = path.relative_to(root).as_posix()
        name = name.removeprefix("core/include/") if name.startswith("core/include/") else name
        if name.startswith("int8x/"):
            name = "core/base/" + name  # public headers: may include int8x/* and nothing of a room
            text = path.read_text(errors="replace")
            faults += [(path, line, why) for line, why in faults_of(name, text)]
            faults += [(path, 0, "public headers include int8x/* only")
                       for m in INCLUDE.finditer(without_comments(text)) if m.group(2).startswith("core/")]
            continue
        faults += [(path, line, why) for line, why in faults_of(name, path.read_text(errors="replace"))]
    return count, faults


WRONG = {  # file -> text that must give exactly one fault
    "core/base/a.c": '#include "core/tensor/shape.h"\n',
    "core/kernels/b.c": '#include "core/fixed/requant.h"\n',
    "core/quant/c.c": '# include "core/cim/adc.h"\n',
    "core/graph/d.h": '#include "core/formats/onnx_read.h"\n',
    "core/ops/e.c": '#include "proto/json.h"\n',
    "core/what/f.c": '#include "core/base/bytes.h"\n',
    "core/run/g.c": "#include <sys/socket.h>\n",
    "core/run/h.c": 'const char *x(void) { return getenv("A"); }\n',
    "core/include/int8x/i.h": '#include "core/base/bytes.h"\n',
    "proto/j.c": '#include "core/base/bytes.h"\n',
    "proto/k.c": "#include <nng/nng.h>\n",
    "proto/l.c": '#include "int8x.pb-c.h"\n',
    "daemon/m.c": '#include "worker/slot.h"\n',
    "daemon/n.c": "#include <sqlite3.h>\n",
    "worker/o.c": '#include "core/run/task.h"\n',
    "worker/p.c": "void *f(void) { return malloc(3); }\n",
    "client/q.c": '#include "proto/wire.h"\n',
    "client/c/r.c": 'void f(void) { fprintf(stderr, "x"); }\n',
    "examples/s.c": '#include "core/quant/laq.h"\n',
    "core/data/t.c": "#include <cjson/cJSON.h>\n",
    "core/quant/u.c": "int f(void) { return rand(); }\n",
    "tests/v.c": "long f(void) { return time( NULL ); }\n",
    "core/ops/w.c": '#include "gemm.h"\n',
    "core/tensor/x.c": 'void f(void) { printf("x"); }\n',
}
RIGHT = {
    "core/quant/a.c": '#include "core/quant/laq.h"\n#include "core/base/bytes.h"\n#include "int8x/tensor.h"\n'
                      '/* #include "proto/json.h", malloc(1) */\nconst char *s = "printf(rand())";\n'
                      "void f(x *a) { a->free(a->user, 0, 0); snprintf(0, 0, 0); }\n",
    "core/base/alloc.c": "void *f(void) { return malloc(3); }\n",
    "core/formats/onnx_read.c": '#include "onnx.pb-c.h"\n',
    "daemon/loop.c": "#include <uv.h>\n",
    "daemon/main.c": 'int main(void) { printf("help"); }\n',
    "client/cli/main.c": '#include "proto/json.h"\nvoid f(void) { fprintf(stderr, "x"); }\n',
    "tests/unit/base/check_x.c": '#include <check.h>\n#include "core/base/bytes.h"\n',
}


def self_test():
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for name, text in {**WRONG, **RIGHT}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = {}
        for path, _, why in check(root)[1]:
            found.setdefault(path.relative_to(root).as_posix(), []).append(why)
    missed = [name for name in WRONG if name not in found]
    invented = [name for name in found if name not in WRONG]
    for name in missed:
        print(f"self-test: not found: {name}")
    for name in invented:
        print(f"self-test: wrongly found: {name}: {found[name]}")
    print(f"includes self-test: {len(WRONG) - len(missed)} of {len(WRONG)} planted faults found, "
          f"{len(invented)} of {len(RIGHT)} right files accused")
    return not missed and not invented


def main():
    if "--self-test" in sys.argv[1:]:
        return 0 if self_test() else 1
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    count, faults = check(root)
    for path, line, why in faults:
        print(f"{path.relative_to(root)}:{line}: {why}")
    print(f"includes: {count} files, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
