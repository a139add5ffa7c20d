#!/bin/sh
# t_tidy.sh: every rule of tools/tidy finds what is planted against it, and nothing else.
#
# Each test writes a small clean tree, plants one violation and wants tidy to fail with one line
# that names the place. The tree is not a copy of this one: a test of a rule must not fail
# because somebody's file is in the middle of a change.
set -u

[ -z "${SAN:-}" ] || { echo '1..0 # SKIP no compiled code in it: nothing for a sanitizer'; exit 0; }
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
number=0

clean_tree() {
    rm -rf "$dir/t" && mkdir -p "$dir/t/include" "$dir/t/docs" "$dir/t/tests" "$dir/t/tools" \
        "$dir/t/arch" "$dir/t/examples"
    cd "$dir/t" || exit 1
    for layer in base stack kernel sched sync io inspect; do
        mkdir -p runtime/$layer
        printf '/* %s: a room. */\nint %s_open(void);\n' $layer $layer >runtime/$layer/$layer.h
    done
    cp "$here/.clang-format" .
    cat >include/reeve.h <<'END'
/* reeve.h: two calls and a macro. */
#define rv_go(f, ...) rv_go_at((f), __VA_ARGS__, __FILE__)
int rv_go_at(int f, void *arg, const char *site);
int rv_read(int fd); /* rv_said_in_a_comment() needs no row */
END
    cat >docs/semantics.md <<'END'
| call | waits |
|---|---|
| `rv_go` | maybe |
| `rv_read` | yes |
END
    cat >runtime/io/file.c <<'END'
/* file.c: says "TO DO" and strcpy() only where it may. */
#include "io/io.h"
#include "base/base.h"
#include "reeve.h"
#include <unistd.h>

int io_open(void)
{
    return base_open() + (int)sizeof "gets(";
}
END
    printf '#!/bin/sh\n# t_ok.sh: a test script.\necho 1..0\n' >tests/t_ok.sh
    chmod +x tests/t_ok.sh
}

report() { # outcome sentence
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || sed 's/^/# /' "$dir/out"
}

# finds SENTENCE FILE:LINE WORDS: tidy fails over the tree as it is now, and one line of it says
# so; the line before the summary is the only one.
finds() {
    if "$here/tools/tidy" . >"$dir/out" 2>&1; then
        report 'not ok' "$1"
    elif grep -q "^$2: .*$3" "$dir/out" && [ "$(grep -c '^[^ ]*:[0-9]' "$dir/out")" -eq 1 ]; then
        report ok "$1"
    else
        report 'not ok' "$1"
    fi
}

# repeat N TEXT
repeat() { awk -v n="$1" -v text="$2" 'BEGIN { for (i = 0; i < n; i++) print text }'; }

clean_tree
if "$here/tools/tidy" . >"$dir/out" 2>&1; then
    report ok 'a clean tree passes'
else
    report 'not ok' 'a clean tree passes'
fi

clean_tree; sed -i '3s/.*/#include "inspect\/inspect.h"/' runtime/io/file.c
finds 'a file may not include a higher layer' runtime/io/file.c:3 'higher layer (inspect)'

clean_tree; sed -i '2a #include "sched/sched.h"' runtime/base/base.h
finds 'a header may not include a higher layer' runtime/base/base.h:3 'higher layer (sched)'

clean_tree; printf '/* frame.h: a port. */\n#include "base/base.h"\n' >arch/frame.h
finds 'the port may not include the runtime' arch/frame.h:2 'higher layer (base)'

clean_tree; sed -i '3s/.*/#include "sched\/runq.h"/' runtime/io/file.c
finds 'io may not see the run queue' runtime/io/file.c:3 'never sees the run queue'

clean_tree; sed -i '2a #include "kernel/kernel.h"' runtime/sync/sync.h
finds 'sync may not see a kernel' runtime/sync/sync.h:3 'never sees a kernel'

clean_tree; sed -i '3s/.*/#include "file.h"/' runtime/io/file.c
finds 'an include is written from the root of its layer' runtime/io/file.c:3 'root'

clean_tree; printf '/* e.c: a program. */\n#include "base/base.h"\n' >examples/e.c
finds 'an example sees the public header alone' examples/e.c:2 'public header'

clean_tree; sed -i 1d runtime/io/file.c
finds 'a file opens with a comment' runtime/io/file.c:1 'no opening comment'

clean_tree; sed -i 2d tests/t_ok.sh
finds 'a script opens with a comment' tests/t_ok.sh:1 'no opening comment'

clean_tree; { echo '/* long.h'; repeat 24 ' * more'; echo ' */'; } >runtime/io/long.h
finds 'an opening comment is short' runtime/io/long.h:1 'opening comment of 26 lines'

clean_tree; { printf '\nint io_long(void)\n{\n'; repeat 60 '    base_open();'
    printf '    return 0;\n}\n'; } >>runtime/io/file.c
finds 'a function is short' runtime/io/file.c:13 'io_long is 61 lines long'

clean_tree; { printf '/* t_x.c: a test. */\n\nTEST(it_is_long)\n{\n'; repeat 61 '    base_open();'
    printf '}\n'; } >tests/t_x.c
finds 'a test is short' tests/t_x.c:4 'it_is_long is 61 lines long'

clean_tree; repeat 500 'int io_more(void);' >>runtime/io/io.h
finds 'a file is short' runtime/io/io.h:502 '502 lines'

clean_tree; echo "/* $(repeat 20 'words' | tr '\n' ' ') */" >>runtime/io/io.h
finds 'a line is short' runtime/io/io.h:3 'columns'

clean_tree; printf '/* a\ttab */\n' >>runtime/io/io.h
finds 'there are no tabs' runtime/io/io.h:3 'a tab'

clean_tree; printf '# M: its recipes have tabs\nall:\n\techo\n' >Makefile
echo '| ' >>docs/semantics.md
finds 'there are no trailing blanks, and a Makefile has its tabs' docs/semantics.md:5 'trailing'

clean_tree; printf '/* no end */' >>runtime/io/io.h
finds 'a file ends with a newline' runtime/io/io.h:3 'no newline'

for word in TODO FIXME XXX; do
    clean_tree; echo "/* $word: later */" >>runtime/io/io.h
    finds "$word is found" runtime/io/io.h:3 "unfinished: $word"
done

clean_tree; echo 'see /home/me/notes' >>docs/semantics.md
finds 'a path of one machine is found' docs/semantics.md:5 'one machine'

for call in 'strcpy(a, b)' 'strcat(a, b)' 'sprintf(a, b)' 'gets(a)' 'strtok(a, b)' 'alloca(9)'; do
    clean_tree; sed -i "s/return base.*/return $call;/" runtime/io/file.c
    finds "${call%%(*} is banned" runtime/io/file.c:9 "calls ${call%%(*}"
done

clean_tree; sed -i '/rv_read/d' docs/semantics.md
finds 'a call without its row is found' include/reeve.h:4 'rv_read has no row'

clean_tree; sed -i '/rv_go/d' docs/semantics.md
finds 'a macro without its row is found' include/reeve.h:1 'rv_go has no row'

clean_tree; echo '| `rv_gone` | no |' >>docs/semantics.md
finds 'a row without its call is found' docs/semantics.md:5 'rv_gone is not in'

clean_tree; rm docs/semantics.md
finds 'the table itself must be there' docs/semantics.md:1 'missing'

clean_tree; echo 'See [that](no/such.md), [this](semantics.md#x), [web](https://a.b/c).' >docs/a.md
finds 'a broken link is found' docs/a.md:1 'no/such.md'

clean_tree; chmod -x tests/t_ok.sh
finds 'a test script can be run' tests/t_ok.sh:1 'cannot run'

if "$here/tools/tidy" . 2>&1 | grep -q 'no clang-format 14'; then
    number=$((number + 1))
    echo "ok $number - the format is checked # SKIP no clang-format 14"
else
    clean_tree; sed -i 's/^    return/  return/' runtime/io/file.c
    finds 'the format is checked' runtime/io/file.c:8 clang-format
fi

clean_tree
printf '/* t_y.c: tests. */\nTEST(hazard_18_the_bell_is_not_lost)\n{\n}\n' >tests/t_y.c
printf '| 18 | The bell is lost | ring it |\n| 19 | Another | no |\n' >docs/hazards.md
"$here/tools/tidy" --hazards . >"$dir/out" 2>&1
if grep -q '^ 18 tested The bell is lost' "$dir/out" && grep -q '^ 19   -    Another' "$dir/out" &&
    grep -q 'hazard_18_the_bell_is_not_lost *tests/t_y.c' "$dir/out" &&
    grep -q '^1 hazards have a test, of 2$' "$dir/out"; then
    report ok 'hazards and their tests are counted'
else
    report 'not ok' 'hazards and their tests are counted'
fi

clean_tree
printf '/* t_y.c: tests. */\nTEST(hazard_18_the_bell_is_not_lost)\n{\n}\n' >tests/t_y.c
printf '| 19 | Another | no |\n' >docs/hazards.md
finds 'a hazard without its row is found' tests/t_y.c:1 'no hazard 18'

echo "1..$number"
