#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone: public ones (core/include) as C11 and as C++17, private ones as C11.
Every public function has a doc comment, or stands directly under one that has; no public header is
longer than 300 lines and each opens with prose. Usage: headers.py [ROOT] | --self-test"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LINES_MAX = 300
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only"]
C11 = [os.environ.get("CC", "cc"), "-std=c11", "-pedantic", "-D_POSIX_C_SOURCE=200809L", "-x", "c"]
CXX17 = [os.environ.get("CXX", "c++"), "-std=c++17", "-pedantic", "-x", "c++"]
PRIVATE_FOLDERS = ["core", "proto", "daemon", "worker", "client", "tests/support", "tests/prop"]
PUBLIC = "core/include/int8x"
# headers that are fragments of one translation unit by design: included under macros of the includer
FRAGMENTS = {"core/kernels/vector/", "core/kernels/levels.h", "core/kernels/avx2/", "core/kernels/avx512/", "core/kernels/neon/"}
# headers of the service need libraries that a core-only machine lacks; they are found by pkg-config
PACKAGES = ["libuv", "libcjson", "libmicrohttpd", "sqlite3", "libcurl", "libprotobuf-c", "libzip", "check"]


def package_flags():
    flags = []
    for package in PACKAGES:
        run = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        flags += run.stdout.split() if run.returncode == 0 else []
    return flags


def compile_alone(command, root, header, extra):
    """The compiler's complaint, or None. The header is included twice: it must guard itself."""
    source = f'#include "{header}"\n#include "{header}"\nextern int not_empty;\n'
    run = subprocess.run([*command, *WARNINGS, f"-I{root}", f"-I{root}/core/include", *extra, "-"],
                         input=source, capture_output=True, text=True)
    errors = [line for line in run.stderr.split("\n") if "error" in line]
    return None if run.returncode == 0 else (errors or [run.stderr])[0]


def undocumented(text):
    """Names of exported functions without a doc comment above or a documented neighbour directly above."""
    lines, documented, missing = text.split("\n"), False, []
    in_doc, at_depth = False, 0
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("/**"):
            documented, in_doc = True, True
        if in_doc:
            in_doc = "*/" not in stripped
            continue
        if re.match(r"(I8X_EXPORT|I8X_FALLIBLE)\b", stripped):
            if not documented:
                name = re.search(r"(i8x_\w+)\s*\(", stripped)
                missing.append(name.group(1) if name else stripped)
            at_depth = stripped.count("(") - stripped.count(")")
            continue
        if at_depth > 0:  # the rest of a long declaration
            at_depth += stripped.count("(") - stripped.count(")")
            continue
        if not stripped or stripped.startswith(("#", "typedef", "}")):
            documented = False
    return missing


def public_faults(root, header):
    text = (root / PUBLIC / header).read_text()
    for command, name in ((C11, "C11"), (CXX17, "C++17")):
        complaint = compile_alone(command, root, f"int8x/{header}", [])
        if complaint:
            yield f"does not compile alone as {name}: {complaint}"
    for function in undocumented(text):
        yield f"{function} has no doc comment"
    if text.count("\n") > LINES_MAX:
        yield f"{text.count(chr(10))} lines, more than {LINES_MAX}"
    opening = re.match(r"/\* SPDX-License-Identifier: Apache-2\.0\n \*\n \* \w", text)
    if not opening:
        yield "does not open with the SPDX line and a sentence what it is for"


def check(root):
    count, faults = 0, []
    for path in sorted((root / PUBLIC).glob("*.h")):
        count += 1
        faults += [f"{PUBLIC}/{path.name}: {why}" for why in public_faults(root, path.name)]
    flags = package_flags()
    for folder in PRIVATE_FOLDERS:
        for path in sorted((root / folder).rglob("*.h")):
            name = path.relative_to(root).as_posix()
            if name.startswith("core/include/") or any(name.startswith(f) for f in FRAGMENTS):
                continue
            if ".pb-c.h" in path.read_text():
                continue  # needs a generated header; compiled in the build
            count += 1
            complaint = compile_alone(C11, root, name, flags)
            if complaint:
                faults.append(f"{name}: does not compile alone as C11: {complaint}")
    return count, faults


PROSE = "/* SPDX-License-Identifier: Apache-2.0\n *\n * A thing for a test.\n */\n"
EXPORT = "#ifndef X\n#define X\n#define I8X_EXPORT\n"
PLANTED = {  # header -> (text, number of faults)
    "good.h": (PROSE + EXPORT + "/** Doc. */\nI8X_EXPORT int i8x_a(void);\nI8X_EXPORT int i8x_b(void);\n#endif\n", 0),
    "bare.h": (PROSE + EXPORT + "/** Doc. */\nI8X_EXPORT int i8x_a(void);\n\nI8X_EXPORT int i8x_b(void);\n#endif\n", 1),
    "needs.h": (PROSE + "#ifndef X\n#define X\nsize_t f(uint8_t x);\n#endif\n", 2),
    "c_only.h": (PROSE + "#ifndef X\n#define X\nextern int class;\n#endif\n", 1),
    "mute.h": ("int f(void);\n", 1),
    "long.h": (PROSE + "\n" * 300, 1),
}


def self_test():
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        (root / PUBLIC).mkdir(parents=True)
        for name, (text, wanted) in PLANTED.items():
            (root / PUBLIC / name).write_text(text)
            found = list(public_faults(root, name))
            if len(found) != wanted:
                wrong += 1
                print(f"self-test: {name}: {len(found)} faults instead of {wanted}: {found}")
    print(f"headers self-test: {len(PLANTED) - wrong} of {len(PLANTED)} planted headers judged right")
    return wrong == 0


def main():
    if "--self-test" in sys.argv[1:]:
        return 0 if self_test() else 1
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
    count, faults = check(root)
    for fault in faults:
        print(fault)
    print(f"headers: {count} checked, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
