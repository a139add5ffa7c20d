# Makefile: one make for the whole tree; `make help` lists what it can do.
#
# Sources are found by folder: a new file needs no line here.
#   arch/$(PORT)/*.{c,S} runtime/**/*.c  the library
#   tests/t_*.c tests/t_*.cc             one TAP program each; they see the library's internals
#   tests/t_switch*.c                    the same with arch/$(PORT) alone, and no library
#   those that LINK to calls of liburing  the same, where there is one
#   tests/t_*.sh                         one TAP script each
#   tests/sim/*.c                        scenarios for simulated worlds, one program: tests/sim/run
#   tests/without_uring.c                runs another program where io_uring is forbidden
#   bench/b_*.c                          one program each; the other bench/*.c are in all of them
#   libs/sim_guard/*.c                   a library of its own, over the public header
#   examples/*.c                         one program each; they see the public headers alone;
#                                        examples/tour-*.c are parts of examples/tour
#
# A test may say in its source, at the start of a line, what its build needs beyond that:
#   // FLAGS: -fno-builtin               flags of its compilation
#   // LINK: -Wl,--wrap=io_uring_enter   flags of its link
#
# Everything built is below build/<port>-<compiler>[-<variant>]/, so that variants never mix;
# a change of flags or of the list of sources rebuilds what hangs on it.

# ---- what the user may set ----

# make's own default for CC is "cc"; a name says more
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(filter cc,$(CC)),c++,$(subst clang,clang++,$(subst gcc,g++,$(CC))))
endif
CFLAGS ?=
CXXFLAGS ?= $(CFLAGS)
LDFLAGS ?=
SAN ?=
WERROR ?=
V ?=
T ?=
A ?=
JOBS ?= 2
TARGET := $(shell $(CC) -dumpmachine)
ARCH ?= $(firstword $(subst -, ,$(TARGET)))
WORLDS ?= $(if $(filter no,$(URING)),,uring) epoll sim
PORT ?= $(if $(wildcard arch/$(ARCH)/.),$(ARCH),ucontext)

# What starts a program of another CPU: qemu, with the libraries of the cross compiler.
CROSS := $(if $(filter %-gcc,$(CC)),$(patsubst %gcc,%,$(CC)))
ifeq ($(origin RUN),undefined)
RUN := $(if $(CROSS),$(if $(filter-out $(ARCH),$(shell uname -m)),qemu-$(ARCH) -L /usr/$(TARGET)))
endif

# no: the library is built without its io_uring room. Linked to tell, as a cross compiler may see
# this machine's header. Debian has liburing for arm64 as a second architecture of the machine, for
# riscv64 not at all, and qemu's user mode has no io_uring: so other CPUs go without.
ifeq ($(origin URING),undefined)
URING := $(shell echo 'int main(void) { return 0; }' | $(CC) $(LDFLAGS) -x c - -o /dev/null \
	-luring 2>/dev/null && echo yes || echo no)
endif

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=

VERSION := 0.1.0
SONAME := libreeve.so.0

# ---- the variant ----

space := $(subst ,, )
B := build/$(PORT)-$(subst $(space),_,$(notdir $(CC)))$(if $(SAN),-$(SAN))
B := $(B)$(if $(filter no,$(URING)),-nouring)
AR := $(CROSS)ar
OBJCOPY := $(CROSS)objcopy
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' '$(1)' '$(2)')

# ---- flags ----

# a flag, where the compiler knows it for this CPU
known = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')

warnings := -Wall -Wextra -Wshadow -Wpointer-arith $(if $(WERROR),-Werror)
warnings_c := $(warnings) -Wstrict-prototypes -Wmissing-prototypes

# Frames stay without a frame pointer (the unwinder reads CFI), except where a sanitizer walks them.
ifeq ($(SAN),)
optimise := -O2 -g $(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
else ifeq ($(SAN),address)
optimise := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
optimise += -fno-sanitize-recover=undefined
else ifeq ($(SAN),thread)
optimise := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else
$(error SAN=$(SAN): it is "address" (with undefined behaviour), "thread", or empty)
endif

harden := -fstack-protector-strong $(call known,-fstack-clash-protection)
harden += $(if $(filter x86_64 i%86,$(ARCH)),$(call known,-fcf-protection))
harden += $(if $(filter aarch64,$(ARCH)),$(call known,-mbranch-protection=standard))
harden_link := -Wl,-z,relro,-z,now

port_libs := $(if $(filter ucontext,$(PORT)),-lm)
ifeq ($(URING),no)
uring_cflags :=
uring_libs :=
else
uring_cflags := $(shell pkg-config --cflags liburing 2>/dev/null)
uring_libs := $(shell pkg-config --libs liburing 2>/dev/null || echo -luring)
endif
libs := $(uring_libs) $(port_libs)

inside := -D_GNU_SOURCE -Iinclude -Iruntime -Iarch -Iarch/$(PORT) -I. $(uring_cflags)
# Backtraces follow CFI, which not every CPU's compiler writes for C (RISC-V's does not).
common := $(optimise) $(harden) -fasynchronous-unwind-tables -fno-plt -pthread
flags_lib := -std=gnu11 $(warnings_c) $(common) $(inside) -fPIC -fvisibility=hidden \
	-fno-semantic-interposition -ftls-model=initial-exec \
	$(call known,-fno-tree-slp-vectorize) $(CFLAGS)
told := $(if $(RUN),-DTAP_SMALL=1) $(if $(filter no,$(URING)),-DTAP_URING=0)
flags_inside := -std=gnu11 $(warnings_c) $(common) $(inside) $(told) -fPIE $(CFLAGS)
flags_inside_cxx := -std=gnu++17 $(warnings) $(common) $(inside) $(told) -fPIE $(CXXFLAGS)
flags_guard := -std=gnu11 $(warnings_c) -O2 -g $(harden) -D_GNU_SOURCE -Iinclude -fPIC \
	-fvisibility=hidden $(CFLAGS) -U_FORTIFY_SOURCE
flags_outside := -std=gnu11 $(warnings_c) $(common) -Iinclude -fPIE $(CFLAGS)
flags_link := $(filter -f%,$(optimise)) -pthread $(harden_link) $(LDFLAGS)

# ---- what there is ----

port_sources := $(wildcard arch/$(PORT)/*.c arch/$(PORT)/*.S)
# The room, or a file that says that there is none.
uring_sources := runtime/kernel/uring.c runtime/kernel/uring_setup.c
not_built := $(if $(filter no,$(URING)),$(uring_sources),runtime/kernel/uring_none.c)
runtime_sources := $(sort $(wildcard runtime/*/*.c runtime/*/*/*.c))
lib_sources := $(port_sources) $(filter-out $(not_built),$(runtime_sources))
objects = $(patsubst %,$(B)/%.o,$(basename $(1)))
programs = $(patsubst %,$(B)/%,$(basename $(1)))

ifeq ($(port_sources),)
portless := help clean deps tidy tidy-deep format hazards check-arch check-kernels
ifeq ($(filter $(portless),$(MAKECMDGOALS)),)
$(error no port in arch/$(PORT); there are: $(notdir $(patsubst %/.,%,$(wildcard arch/*/.))))
endif
endif

guard_sources := $(sort $(wildcard libs/sim_guard/*.c))
tests_of_uring := $(shell grep -l '^// LINK:.*io_uring_' tests/t_*.c)
tests_without := $(if $(filter no,$(URING)),$(tests_of_uring))
tests_c := $(sort $(filter-out $(tests_without),$(wildcard tests/t_*.c)))
tests_cxx := $(sort $(wildcard tests/t_*.cc))
tests_sh := $(sort $(wildcard tests/t_*.sh))
tests_arch := $(filter tests/t_switch%,$(tests_c))
tests_runner := tests/without_uring.c
tests_lib := $(filter-out $(tests_arch),$(tests_c))
scenario_sources := $(sort $(wildcard tests/sim/*.c))
scenarios := $(B)/tests/sim/run
bench_programs := $(sort $(wildcard bench/b_*.c))
bench_shared := $(filter-out $(bench_programs),$(sort $(wildcard bench/*.c)))
examples_parts := $(sort $(wildcard examples/*-*.c))
examples := $(filter-out $(examples_parts),$(sort $(wildcard examples/*.c)))

# `make check T=chan` runs the tests whose name holds "chan"
tests := $(call programs,$(tests_c) $(tests_cxx)) $(tests_sh)
matching = $(strip $(foreach t,$(tests),$(if $(findstring $(T),$(notdir $(t))),$(t))))
chosen := $(if $(T),$(matching),$(tests))

# The library as others get it. Its own names have no project prefix, so they must not leave it:
# in the static library too, hidden symbols are made local. Tests link the parts instead.
archive := $(B)/libreeve.a
guard := $(B)/libreeve_sim_guard.a
shared := $(if $(SAN),,$(B)/$(SONAME) $(B)/libreeve.so)
parts := $(B)/parts.a

# ---- the first target ----

.PHONY: all
all: $(archive) $(shared) $(guard) ## the libraries, in build/<variant>/

# ---- rules ----

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: FORCE
FORCE:

# A stamp changes only when its text does.
stamp = @mkdir -p $(@D); new='$(subst ','\'',$(1))'; \
	printf '%s\n' "$$new" | cmp -s - $@ || printf '%s\n' "$$new" >$@

$(B)/flags: FORCE
	$(call stamp,$(CC) $(CXX) $(flags_lib) $(flags_inside_cxx) $(flags_link))

$(B)/sources: FORCE
	$(call stamp,$(lib_sources) $(guard_sources) $(scenario_sources) $(bench_shared) \
		$(examples_parts))

asked = $$(sed -n 's,^// $(1): ,,p' $<)
compile = $(Q)mkdir -p $(@D) && $(1) -MMD -MP -c $< -o $@

$(B)/arch/%.o: arch/%.S $(B)/flags
	$(call say,AS,$<)
	$(call compile,$(CC) $(flags_lib))

$(B)/arch/%.o: arch/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_lib))

$(B)/runtime/%.o: runtime/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_lib))

$(B)/libs/%.o: libs/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_guard))

$(B)/tests/%.o: tests/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_inside) $(call asked,FLAGS))

$(B)/tests/%.o: tests/%.cc $(B)/flags
	$(call say,CXX,$<)
	$(call compile,$(CXX) $(flags_inside_cxx) $(call asked,FLAGS))

$(B)/bench/%.o: bench/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_inside))

$(B)/examples/%.o: examples/%.c $(B)/flags
	$(call say,CC,$<)
	$(call compile,$(CC) $(flags_outside))

$(parts): $(call objects,$(lib_sources)) $(B)/sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $(filter %.o,$^) # q: r would keep one of two of one name

ifeq ($(SAN),)
$(archive): $(call objects,$(lib_sources)) $(B)/sources
	$(call say,AR,$@)
	$(Q)$(CC) $(CFLAGS) -nostdlib -r $(filter %.o,$^) -o $(B)/reeve.o
	$(Q)$(OBJCOPY) --localize-hidden $(B)/reeve.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/reeve.o
else # a sanitizer's section groups do not survive this
$(archive): $(parts)
	$(Q)cp $< $@
endif

$(guard): $(call objects,$(guard_sources)) $(B)/sources
	$(call say,AR,$@)
	$(Q)$(CC) $(CFLAGS) -nostdlib -r $(filter %.o,$^) -o $(B)/sim_guard.o
	$(Q)$(OBJCOPY) --localize-hidden $(B)/sim_guard.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/sim_guard.o

$(B)/$(SONAME): $(call objects,$(lib_sources)) $(B)/sources
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs $(flags_link) $(filter %.o,$^) \
		$(libs) -o $@

$(B)/libreeve.so: $(B)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# For a test, $< of `asked` is its source.
link = $(Q)$(1) -pie $(flags_link) $(filter %.o,$^) $(filter %.a,$^) $(call asked,LINK)

$(call programs,$(tests_arch)): $(B)/%: %.c $(B)/%.o $(call objects,$(port_sources))
	$(call say,LD,$@)
	$(call link,$(CC)) -lm -o $@

$(call programs,$(tests_lib)): $(B)/%: %.c $(B)/%.o $(parts)
	$(call say,LD,$@)
	$(call link,$(CC)) $(libs) -lm -o $@

$(call programs,$(tests_runner)): $(B)/%: %.c $(B)/%.o
	$(call say,LD,$@)
	$(call link,$(CC)) -o $@

$(call programs,$(tests_cxx)): $(B)/%: %.cc $(B)/%.o $(parts)
	$(call say,LD,$@)
	$(call link,$(CXX)) $(libs) -o $@

# What coverage.c asks for: it has a link of its own.
$(scenarios): tests/sim/coverage.c $(call objects,$(scenario_sources)) $(parts) $(B)/sources
	$(call say,LD,$@)
	$(call link,$(CC)) $(libs) -lm -o $@

# The bugs of base/plant.h, each in a build of the scenarios of its own: what holds it is compiled
# anew and stands before the rest.
planted_bugs := $(shell sed -n 's/^    PLANT_\([A-Z_]*\),.*/\1/p' runtime/base/plant.h)
planted := $(if $(SAN),,$(patsubst %,$(B)/planted/%,$(filter-out NONE,$(planted_bugs))))
$(planted): $(B)/planted/%: tests/sim/coverage.c $(call objects,$(scenario_sources)) $(parts)
	$(call say,BUG,$*)
	$(Q)mkdir -p $(@D)/parts && cd $(@D)/parts && rm -f $*-*.o && \
		for source in $$(cd $(CURDIR) && grep -rl 'PLANTED($*)' runtime --include='*.c'); do \
		(cd $(CURDIR) && $(CC) $(flags_lib) -DPLANT=PLANT_$* -c $$source \
			-o $(@D)/parts/$*-$$(echo $$source | tr / -).o) || exit 1; done
	$(Q)$(CC) -pie $(flags_link) $(@D)/parts/$*-*.o $(filter %.o,$^) $(filter %.a,$^) \
		$(call asked,LINK) $(libs) -lm -o $@

bench_needs := $(call objects,$(bench_shared)) $(parts) $(B)/sources
$(call programs,$(bench_programs)): $(B)/%: %.c $(B)/%.o $(bench_needs)
	$(call say,LD,$@)
	$(call link,$(CC)) $(libs) -lm -o $@

$(call programs,$(examples)): $(B)/%: %.c $(B)/%.o $(archive) $(B)/sources
	$(call say,LD,$@)
	$(call link,$(CC)) $(libs) -o $@

$(foreach e,$(examples),$(eval \
	$(call programs,$(e)): $(call objects,$(filter $(basename $(e))-%,$(examples_parts)))))

everything := $(lib_sources) $(guard_sources) $(tests_c) $(tests_cxx) $(tests_runner)
everything += $(bench_programs) $(bench_shared) $(examples) $(examples_parts)
everything += $(scenario_sources)
-include $(patsubst %.o,%.d,$(call objects,$(everything)))

# ---- tests ----

# What a test script finds in its environment.
for_scripts = BUILD='$(B)' CC='$(CC)' CXX='$(CXX)' PORT='$(PORT)' SAN='$(SAN)' RUN='$(RUN)'
for_scripts += SOURCES='$(lib_sources)' LIBS='$(libs) -lm'
# TSan's runtime in gcc 12 and clang 14 cannot live with more than 28 bits of address
# randomisation; where the personality may not be set (some containers), it has to.
still = $(if $(filter thread,$(SAN)),$(shell setarch -R true 2>/dev/null && echo setarch -R))

.PHONY: check check-worlds check-workers check-asan check-tsan check-nouring check-arch
.PHONY: check-kernels tests
.PHONY: examples sim
tests: $(call programs,$(tests_c) $(tests_cxx) $(tests_runner)) $(scenarios) $(planted)
tests: ## build the tests, run none
examples: $(call programs,$(examples)) ## build the examples

check: all tests examples ## build and run the tests; T=chan: those whose name holds "chan"
	$(if $(chosen),,$(error no test matches T=$(T)))
	$(if $(tests_without),@echo '  no liburing for $(CC): without $(tests_without)')
	$(Q)MAKEFLAGS= $(for_scripts) $(still) prove -j$(JOBS) --exec '$(if $(RUN),tests/run)' $(chosen)

# Scripts that run nothing by rv_run(), so that no world makes a difference to them.
worldless := tests/t_header.sh tests/t_planted.sh tests/t_sim_scenarios.sh tests/t_tidy.sh
in_worlds := $(filter-out $(worldless),$(chosen))

check-worlds: all tests examples ## the tests in each world, and a table; WORLDS='epoll sim', T=
	$(if $(in_worlds),,$(error no test of the worlds matches T=$(T)))
	$(Q)MAKEFLAGS= $(for_scripts) $(still) tools/worlds -j$(JOBS) $(if $(V),-v) $(WORLDS) -- \
		$(in_worlds)

# What builds for itself, or looks at sources, or at simulated worlds of its own choice: no
# number of workers makes a difference to it.
of_no_worker := $(worldless) $(addprefix tests/t_,docs.sh lto.sh valgrind.sh sim_guard.sh \
	examples_sim.sh) $(call programs,$(wildcard tests/t_sim*.c tests/t_switch*.c tests/t_model*.c))
of_workers := $(filter-out $(of_no_worker),$(chosen))

check-workers: all tests examples ## the tests with REEVE_WORKERS=4; SAN=thread, T=chan
	$(if $(of_workers),,$(error no test of several workers matches T=$(T)))
	$(Q)MAKEFLAGS= REEVE_WORKERS=4 $(for_scripts) $(still) prove -j$(JOBS) \
		--exec '$(if $(RUN),tests/run)' $(of_workers)

check-asan: ## the tests under ASan and UBSan
	+$(MAKE) check SAN=address

check-tsan: ## the tests under TSan
	+$(MAKE) check SAN=thread

check-nouring: ## the tests where a seccomp filter forbids io_uring, as in containers
	+$(MAKE) check-worlds WORLDS=nouring

check-arch: ## the ports of all CPUs that can be run here, under qemu where it must be
	prove --exec '' tests/check-arch.sh

check-kernels: ## the tests on other kernels, in emulated machines; A='linux-image-arm64 ...'
	$(Q)T='$(T)' tests/check-kernels.sh $(A)

SEEDS ?=
sim: $(scenarios) ## run the scenarios: SEEDS=100000 SCENARIO=echo A='--seconds 170 --coverage'
	$(Q)$(still) $(scenarios) --jobs $(JOBS) $(if $(SEEDS),--seeds $(SEEDS)) \
		$(if $(SCENARIO),--scenario $(SCENARIO)) $(A)

# ---- style ----

.PHONY: tidy tidy-deep format hazards
deep_checks := -*,clang-analyzer-*,bugprone-*, -bugprone-easily-swappable-parameters, \
	-bugprone-reserved-identifier, -bugprone-assignment-in-if-condition
tidy: ## the style, as a check: layers, lengths, names, format
	tools/tidy

format: ## lay the sources out anew, with clang-format 14
	find include arch runtime libs tests bench examples -name '*.[ch]' -o -name '*.cc' | \
		xargs clang-format-14 -i

tidy-deep: ## cppcheck and clang-tidy over the library; slow
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
		-Iinclude -Iruntime -Iarch -Iarch/$(PORT) $(filter %.c,$(lib_sources))
	clang-tidy --quiet --warnings-as-errors='*' --checks='$(subst $(space),,$(deep_checks))' \
		$(filter %.c,$(lib_sources)) -- -std=gnu11 $(inside)

hazards: ## which hazards have a test of their own
	@tools/tidy --hazards

# ---- programs ----

.PHONY: bench bench-quick bench-build demo
bench-build: $(call programs,$(bench_programs)) ## build the benchmarks, run none

bench: bench-build ## measure every primitive; A='--json yield' is handed to bench/run
	$(Q)bench/run --in $(B)/bench $(A)

bench-quick: bench-build ## the CPU rows, with fewer runs
	$(Q)bench/run --quick --in $(B)/bench $(A)

demo: $(B)/examples/tour ## build and run examples/tour.c
	$(B)/examples/tour

# ---- install ----

.PHONY: install uninstall
to = $(DESTDIR)$(1)
$(B)/%.pc: tools/%.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(libs)|' $< | sed 's/ *$$//' >$@

pcs := $(B)/reeve.pc $(B)/reeve-sim.pc
install: all $(pcs) ## into PREFIX (/usr/local), below DESTDIR; LIBDIR, INCLUDEDIR
	$(if $(SAN),$(error a sanitizer build is not for others))
	install -d $(call to,$(INCLUDEDIR)) $(call to,$(LIBDIR)/pkgconfig)
	install -m 644 include/reeve.h include/reeve_sim.h $(call to,$(INCLUDEDIR))
	install -m 644 $(archive) $(call to,$(LIBDIR)/libreeve.a)
	install -m 644 $(guard) $(call to,$(LIBDIR)/libreeve_sim_guard.a)
	install -m 755 $(B)/$(SONAME) $(call to,$(LIBDIR)/$(SONAME))
	ln -sf $(SONAME) $(call to,$(LIBDIR)/libreeve.so)
	install -m 644 $(pcs) $(call to,$(LIBDIR)/pkgconfig)

uninstall: ## what install put there
	rm -f $(call to,$(INCLUDEDIR)/reeve.h) $(call to,$(INCLUDEDIR)/reeve_sim.h) \
		$(call to,$(LIBDIR)/libreeve.a) $(call to,$(LIBDIR)/libreeve_sim_guard.a) \
		$(call to,$(LIBDIR)/$(SONAME)) $(call to,$(LIBDIR)/libreeve.so) \
		$(call to,$(LIBDIR)/pkgconfig/reeve.pc) $(call to,$(LIBDIR)/pkgconfig/reeve-sim.pc)

# ---- the rest ----

.PHONY: deps clean help
deps: ## install the Debian packages that building and testing need
	tools/deps check

clean: ## remove build/
	rm -rf build compile_commands.json

# For editors: one entry a source, with the flags that this variant compiles it with.
entry = {"directory": "$(CURDIR)", "file": "$(1)", "command": "$(subst ",\",$(2)) -c $(1)"},
compile_commands.json: FORCE ## for clangd
	@{ echo '['; \
	$(foreach s,$(filter %.c,$(lib_sources)),echo \
		'$(call entry,$(s),$(CC) $(flags_lib))';) \
	$(foreach s,$(guard_sources),echo \
		'$(call entry,$(s),$(CC) $(flags_guard))';) \
	$(foreach s,$(tests_c) $(scenario_sources) $(bench_programs) $(bench_shared),echo \
		'$(call entry,$(s),$(CC) $(flags_inside))';) \
	$(foreach s,$(tests_cxx),echo \
		'$(call entry,$(s),$(CXX) $(flags_inside_cxx))';) \
	$(foreach s,$(examples) $(examples_parts),echo \
		'$(call entry,$(s),$(CC) $(flags_outside))';) \
	} | sed '$$s/,$$//' >$@
	@echo ']' >>$@

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  CC=clang PORT=ucontext SAN=address|thread CFLAGS= LDFLAGS= WERROR=1 V=1: the variant'
	@echo '  URING=no: without io_uring; RUN=qemu-...: what starts programs of another CPU'
