# A thin wrapper: cmake does the work, this file names the things people want.
#
#   make          the optimised program, build/offhook
#   make run      install what is missing, build, start the server
#   make install  into /usr/local/bin (DESTDIR=... for a package)
#   make test     install what the tests need, build, run everything (tools/test runs parts)
#   make sim      the simulator until a million transactions have run (SEEDS=1-5000 for seeds)
#   make soak     the simulator with ever new seeds, until it is stopped
#   make bench    install Kamailio and other parsers, measure them and offhook, print a table
#                 (PART="call memory" for some parts; tools/bench --help)
#   make fuzz     the fuzzers, TIME=3600 seconds each (HARNESS="serve message" for some of them)
#   make coverage which lines of the product the tests run, and at least 85 % of four layers
#   make lint     the style gate: layers, ceilings, banned functions, format
#   make format   apply .clang-format
#   make clean    remove build/
#   make help     this list

BUILD := build
JOBS  := $(shell nproc 2>/dev/null || echo 2)

MAKEFLAGS += --no-print-directory

.PHONY: all help run test sim soak sim-program bench coverage fuzz lint format clean install

all:
	@command -v cmake >/dev/null || \
	    { echo "cmake is missing: run tools/setup (or make run) once" >&2; exit 1; }
	@log=$$(cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo 2>&1) || \
	    { echo "$$log" >&2; exit 1; }
	@cmake --build $(BUILD) --target offhook -j $(JOBS)

help:
	@sed -n '/^#   /s/^# //p' Makefile

run:
	@tools/setup run
	@$(MAKE) all
	@exec $(BUILD)/offhook serve

test:
	@tools/setup test
	@tools/test

# Optimised, but with its assertions: they are what the simulator is for.
SEEDS :=
TRANSACTIONS := 1000000
SIM = $(BUILD)/sim/tests/sim

sim: sim-program
	@$(SIM) $(if $(SEEDS),--seeds $(SEEDS),--until $(TRANSACTIONS))

soak: sim-program
	@$(SIM) --forever --seed $$(date +%s)

sim-program:
	@tools/setup test
	@log=$$(cmake -S . -B $(BUILD)/sim -DCMAKE_BUILD_TYPE=Debug 2>&1) || \
	    { echo "$$log" >&2; exit 1; }
	@cmake --build $(BUILD)/sim --target sim -j $(JOBS)

PART :=

bench:
	@tools/setup bench
	@BUILD=$(abspath $(BUILD)) tools/bench $(PART)

# Two at a time; what is found stays in build/fuzz. See docs/fuzzing.md.
TIME    := 3600
HARNESS :=

fuzz:
	@tools/setup test
	@tools/fuzz --seconds $(TIME) --jobs $(JOBS) $(HARNESS)

coverage:
	@tools/setup test
	@tools/coverage

lint:
	@tools/setup lint
	@tools/lint --self-test
	@tools/lint

format:
	@tools/setup lint
	@find src include tests bench -name '*.[ch]' -exec clang-format -i {} +

install: all
	cmake --install $(BUILD)

clean:
	rm -rf $(BUILD)
