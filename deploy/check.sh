#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that int8x works: deploy/check.sh [--quick|--full] [--step NAME]... [--list]
#   --quick  between edits, under 2 minutes on two cores: lints, build, unit, property and kernel tests
#   (none)   before a merge, under 20 minutes: adds sanitizers, ARM under qemu, fuzzing, end-to-end tests
#   --full   before a release: adds coverage, valgrind, clang-tidy, cppcheck, Doxygen, longer fuzzing and soak
#   --step   only these steps, whatever the level; --list shows their names
# Each step is a function and a row of the table below; it says how many things it tried. A step that
# tried nothing is red. Logs: build/check/<step>.log. The last line: N passed, N failed, N skipped.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD
logs=build/check
jobs=$(nproc)
export CTEST_PARALLEL_LEVEL=$jobs CMAKE_BUILD_PARALLEL_LEVEL=$jobs
if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_DIR=${CCACHE_DIR:-$root/.cache/ccache} CCACHE_MAXSIZE=2G
fi

# ---- what a step calls to say what it did (it runs in a subshell, so numbers go through a file) ----

passed() { echo "passed $1" >>"$counts"; }
failed() { echo "failed $1" >>"$counts"; }
skipped() { echo "skipped $*" >>"$counts"; }

# configure and build a preset; $2... are targets (none = all)
build_preset() {
    local preset=$1
    shift
    local options=()
    [ -x .venv/bin/python ] && options+=("-DINT8X_PYTHON=$root/.venv/bin/python")
    cmake --preset "$preset" "${options[@]}" || return 1
    cmake --build --preset "$preset" ${1:+--target "$@"}
}

# run ctest in build/$1 with the other arguments and add up what the runners inside say
run_ctest() {
    local folder=$1 log sums rc
    shift
    log=$(mktemp)
    ctest --test-dir "build/$folder" --verbose --no-tests=error "$@" | tee "$log"
    rc=${PIPESTATUS[0]}
    sums=$(python3 deploy/ctest_counts.py <"$log")
    rm -f "$log"
    passed "$(head -n 1 <<<"$sums" | cut -d' ' -f1)"
    failed "$(head -n 1 <<<"$sums" | cut -d' ' -f2)"
    tail -n +2 <<<"$sums" | grep -E '^(skipped|wrong) ' >>"$counts"
    return "$rc"
}

own_files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

# ---- the steps ----

step_deps() {
    case $level in
    quick) deploy/install-deps.sh build check ;;
    default) deploy/install-deps.sh build check ;;
    full) deploy/install-deps.sh build check full ;;
    esac && passed 1
}

step_python() { # the pinned packages that judge our models
    local stamp=.venv/.requirements
    if ! cmp -s tests/interop/requirements.txt "$stamp"; then
        python3 -m venv --clear .venv &&
            .venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt || return 1
        cp tests/interop/requirements.txt "$stamp"
    fi
    .venv/bin/python -c 'import numpy, onnx, onnxruntime; print(numpy.__version__, onnx.__version__, onnxruntime.__version__)' &&
        passed "$(grep -c '==' tests/interop/requirements.txt)"
}

step_format() {
    local files
    mapfile -t files < <(own_files '*.c' '*.h')
    clang-format --dry-run --Werror "${files[@]}" && passed ${#files[@]}
}

step_licence() { # every source names its licence in its first three lines
    local file bad=0 count=0
    while read -r file; do
        count=$((count + 1))
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
            echo "$file: no SPDX line"
            bad=$((bad + 1))
        }
    done < <(own_files '*.c' '*.h' '*.S' '*.py' '*.sh' '*.def' '*.proto')
    passed $((count - bad))
    failed $bad
}

step_shell() {
    local files
    mapfile -t files < <(own_files '*.sh' .ci/run)
    shellcheck "${files[@]}" && passed ${#files[@]}
}

step_includes() {
    python3 tests/lint/includes.py --self-test && python3 tests/lint/includes.py || return 1
    passed "$(own_files '*.c' '*.h' | wc -l)"
}

step_golden() { # the committed vectors are what their scripts make today
    local script folder made file
    for script in tests/golden/*/make.py; do
        folder=$(dirname "$script")
        made=$(mktemp -d)
        python3 "$script" "$made" || failed 1
        for file in "$made"/*; do
            if cmp "$file" "$folder/$(basename "$file")"; then passed 1; else failed 1; fi
        done
        rm -rf "$made"
    done
}

step_build() { build_preset release && passed "$(ninja -C build/release -t targets all | grep -cE '\.o: ')"; }
step_headers() {
    python3 tests/lint/headers.py --self-test || return 1
    python3 tests/lint/headers.py && passed "$(find core proto daemon worker client -name '*.h' | wc -l)"
}
step_unit() { run_ctest release --label-regex '^unit$'; }
step_prop() { run_ctest release --label-regex '^prop$'; }
step_kernels() { run_ctest release --label-regex '^kernels$'; }
step_interop() { run_ctest release --label-regex '^interop$'; }
step_e2e() { run_ctest release --label-regex '^e2e$'; }
step_soak() { # ten minutes; e2e has one
    python3 tests/e2e/soak.py --seconds 600 --seed "$(date +%Y%m%d)" --out build/check/soak && passed 1
}
step_seeds() { run_ctest release --label-regex '^fuzz$'; }
step_sim() { # planted faults are found, instructions an event, then 1,000 seeds of 10,000 events
    run_ctest release --label-regex '^sim$' || return 1
    build/release/bin/sim_sched --seeds 1..1000 --events 10000 --workers 16 --tasks 256 && passed 1000 &&
        build/release/bin/sim_sched --makespan --seeds 1..5 && passed 5 # 10,000 workers
}
# every test that ctest knows belongs to a step above; a new label needs a step of its own
step_labels() {
    local all strays
    all=$(ctest --test-dir build/release --show-only | sed -n 's/^Total Tests: //p')
    strays=$(ctest --test-dir build/release --show-only --label-exclude '^(unit|prop|kernels|interop|e2e|fuzz|sim)$' | grep '^ *Test *#')
    [ -z "$strays" ] || { echo "tests without a step: $strays"; return 1; }
    passed "$all"
}

step_asan() { # address, undefined behaviour, leaks; kernels too
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    build_preset asan && CK_TIMEOUT_MULTIPLIER=5 run_ctest asan --label-exclude '^(interop|e2e)$'
}

# What has threads or hands work between them. One quiet run proves little, so the two that are quick
# run three times. The worker's tests fork from a forked process, in which libtsan 12 itself crashes
# when it starts its background thread there; its agent is covered by the end-to-end tests.
step_tsan() {
    local targets=() target
    for target in base ops proto daemon; do
        compgen -G "tests/unit/$target/check_*.c" >/dev/null && targets+=("check_$target")
    done
    build_preset tsan "${targets[@]}" || return 1
    export TSAN_OPTIONS=halt_on_error=1 CK_TIMEOUT_MULTIPLIER=10
    run_ctest tsan --tests-regex "^($(IFS='|'; echo "${targets[*]}"))\$" || return 1
    run_ctest tsan --tests-regex '^check_(base|proto)$' --repeat until-fail:2
}

# cross build, then the tests on the first emulated core and the kernels on the others
arm() {
    local arch=$1 cpu
    shift
    deploy/sysroot.sh "$arch" && build_preset "$arch" || return 1
    local status=0
    export CK_TIMEOUT_MULTIPLIER=10
    QEMU_CPU=$1 run_ctest "$arch" --label-regex '^(unit|prop|kernels)$' || status=1
    shift
    for cpu in "$@"; do
        QEMU_CPU=$cpu run_ctest "$arch" --label-regex '^kernels$' || status=1
    done
    return $status
}
step_aarch64() { arm aarch64 cortex-a53 cortex-a72 cortex-a76; }
step_armhf() { arm armhf cortex-a7; }

step_fuzz() { build_preset fuzz && run_ctest fuzz --label-regex '^fuzz$'; }

step_fuzz_long() { # five minutes each, on the corpus the short runs start from
    local program what
    build_preset fuzz || return 1
    for program in build/fuzz/bin/fuzz_*; do
        what=${program##*/fuzz_}
        mkdir -p "build/fuzz/found/$what"
        if "$program" -max_total_time=300 -timeout=10 -rss_limit_mb=1500 -artifact_prefix="build/fuzz/found/$what/" \
            "build/fuzz/found/$what" "build/fuzz/tests/fuzz/corpus/$what"; then passed 1; else failed 1; fi
    done
}

step_valgrind() {
    local runner name
    for runner in build/release/bin/check_*; do
        name=${runner##*/}
        if CK_TIMEOUT_MULTIPLIER=50 valgrind --quiet --trace-children=yes --error-exitcode=9 --leak-check=full \
            --show-leak-kinds=definite --errors-for-leak-kinds=definite "$runner"; then passed 1; else
            echo "valgrind: $name"
            failed 1
        fi
    done
}

step_coverage() {
    build_preset coverage && find build/coverage -name '*.gcda' -delete && # counts of earlier runs
        run_ctest coverage --label-regex '^(unit|prop|kernels)$' &&
        run_ctest coverage --tests-regex '^e2e_(audit|cli|http|local|service|sweep|trust)$' && # what daemons and clients do
        gcovr --root . --filter 'core/' --filter 'proto/' --filter 'daemon/' --filter 'worker/' --filter 'client/' \
            --exclude '.*pb-c.*' --object-directory build/coverage --txt --fail-under-line 70 --print-summary build/coverage
}

step_tidy() {
    local files
    cmake --preset release -DCMAKE_EXPORT_COMPILE_COMMANDS=ON || return 1
    mapfile -t files < <(own_files 'core/*.c' 'proto/*.c' 'daemon/*.c' 'worker/*.c' 'client/*.c' | grep -v '^core/kernels/')
    printf '%s\0' "${files[@]}" |
        xargs -0 -P "$jobs" -n 8 clang-tidy --quiet --warnings-as-errors='*' -p build/release && passed ${#files[@]}
}

step_cppcheck() {
    local files
    mapfile -t files < <(own_files 'core/*.c' 'proto/*.c' 'daemon/*.c' 'worker/*.c' 'client/*.c')
    cppcheck -j "$jobs" --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 --quiet \
        --suppress=missingIncludeSystem -I . -I core/include "${files[@]}" && passed ${#files[@]}
}

step_doxygen() {
    mkdir -p build/doxygen
    doxygen docs/Doxyfile && passed "$(find build/doxygen -name '*.html' | wc -l)"
}

# name, levels, a path without which the step has nothing to look at, what it shows
table=(
    "deps|quick default full|.|what the checks need is installed"
    "format|quick default full|.clang-format|clang-format"
    "licence|quick default full|LICENSE|licence lines"
    "shell|default full|deploy|shellcheck"
    "includes|quick default full|tests/lint/includes.py|who includes whom, one door per library"
    "golden|quick default full|tests/golden|golden vectors are what their scripts make"
    "python|default full|tests/interop/requirements.txt|pinned Python packages"
    "build|quick default full|CMakeLists.txt|release build, warnings are errors"
    "headers|default full|tests/lint/headers.py|each header compiles alone, doc comments"
    "unit|quick default full|tests/unit|unit tests"
    "prop|quick default full|tests/prop|laws on random cases"
    "kernels|quick default full|tests/kernels|every kernel and level against scalar"
    "sim|default full|tests/sim/CMakeLists.txt|the scheduler in a made-up world, 1,000 seeds; its cost"
    "seeds|default full|tests/fuzz/CMakeLists.txt|fuzz targets on their seeds"
    "interop|default full|tests/interop/CMakeLists.txt|our files in ONNX and ONNX Runtime"
    "labels|default full|tests|every test belongs to one of these steps"
    "asan|default full|CMakePresets.json|address and undefined-behaviour sanitizers"
    "tsan|default full|tests/unit|thread sanitizer"
    "aarch64|default full|cmake/aarch64.cmake|64-bit ARM as Cortex-A53, kernels as A72 and A76"
    "armhf|default full|cmake/armhf.cmake|32-bit ARM as Cortex-A7"
    "e2e|default full|tests/e2e/CMakeLists.txt|real processes, a worker for 64-bit ARM among them"
    "fuzz|default full|tests/fuzz/CMakeLists.txt|short fuzzing"
    "soak|full|tests/e2e/soak.py|ten minutes of random kills and partitions"
    "fuzz_long|full|tests/fuzz/CMakeLists.txt|five minutes of fuzzing each"
    "valgrind|full|tests/unit|memcheck on the unit tests"
    "coverage|full|tests/unit|line coverage, at least 70 %"
    "tidy|full|.clang-tidy|clang-tidy"
    "cppcheck|full|core|cppcheck"
    "doxygen|full|docs/Doxyfile|Doxygen, warnings are errors"
)

# ---- running them ----

level=default
only=()
while [ $# -gt 0 ]; do
    case $1 in
    --quick) level=quick ;;
    --full) level=full ;;
    --step) only+=("${2:?--step needs a name}") && shift ;;
    --list)
        for row in "${table[@]}"; do IFS='|' read -r name levels _ what <<<"$row" && printf '%-10s %-20s %s\n' "$name" "$levels" "$what"; done
        exit 0
        ;;
    *)
        sed -n '4,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done

wanted() { # is the step of this row to run?
    local name=$1 levels=$2 needs=$3 path
    if [ ${#only[@]} -gt 0 ]; then
        [[ " ${only[*]} " == *" $name "* ]]
        return
    fi
    [[ " $levels " == *" $level "* ]] || return 1
    for path in $needs; do [ -e "$path" ] && return 0; done
    return 1
}

sum() { awk -v key="$1" '$1 == key { n += $2 } END { print n + 0 }' "$2"; }

mkdir -p "$logs"
total_passed=0 total_failed=0 skips=() wrongs=() red=() ran=0
started=$SECONDS
for row in "${table[@]}"; do
    IFS='|' read -r name levels needs what <<<"$row"
    wanted "$name" "$levels" "$needs" || continue
    ran=$((ran + 1))
    counts=$root/$logs/$name.counts
    : >"$counts"
    printf '%-10s %s ... ' "$name" "$what"
    begin=$SECONDS
    ("step_$name") >"$logs/$name.log" 2>&1
    rc=$?
    good=$(sum passed "$counts") bad=$(sum failed "$counts")
    mapfile -t -O ${#skips[@]} skips < <(sed -n "s/^skipped /$name: /p" "$counts")
    mapfile -t -O ${#wrongs[@]} wrongs < <(sed -n "s/^wrong /$name: /p" "$counts")
    if [ $rc -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    if [ "$good" -eq 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        echo "nothing was tried" >>"$logs/$name.log"
    fi
    total_passed=$((total_passed + good)) total_failed=$((total_failed + bad))
    if [ "$bad" -eq 0 ]; then
        printf 'ok: %d passed, %d s\n' "$good" $((SECONDS - begin))
    else
        red+=("$name")
        printf 'FAILED: %d passed, %d failed, %d s\n' "$good" "$bad" $((SECONDS - begin))
        grep -nE 'FAILED|rror:|rror |:[FE]:|\*\*\*|fault|warning:' "$logs/$name.log" | head -n 20 | sed 's/^/    /'
        echo "    ... last lines of $logs/$name.log:"
        tail -n 15 "$logs/$name.log" | sed 's/^/    /'
    fi
done

echo
if [ $ran -eq 0 ]; then
    echo "no such step: ${only[*]} (--list shows them)"
    total_failed=1
fi
for skip in "${skips[@]}"; do echo "skipped: $skip"; done
for wrong in "${wrongs[@]}"; do echo "failed: $wrong"; done
[ ${#red[@]} -eq 0 ] || echo "red: ${red[*]}"
echo "$ran steps, $((SECONDS - started)) s"
echo "$total_passed passed, $total_failed failed, ${#skips[@]} skipped"
[ $total_failed -eq 0 ]
