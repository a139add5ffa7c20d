#!/bin/sh
# t_readme.sh: what README.md shows is true: its programs compile without a warning, and its
# quick start is two lines that name targets which exist.
set -u

[ -z "${SAN:-}" ] || { echo '1..0 # SKIP only compiles: nothing for a sanitizer'; exit 0; }
cd "$(dirname "$0")/.." || exit 1
number=0

report() { # outcome sentence words
    number=$((number + 1))
    echo "$1 $number - $2"
    [ "$1" = ok ] || echo "$3" | sed 's/^/# /'
}

blocks() { # language: how many code blocks of it there are
    grep -c "^\`\`\`$1\$" README.md
}

block() { # language which
    awk -v open="\`\`\`$1" -v want="$2" '/^```$/ { here = 0 } here { print }
        $0 == open { here = ++n == want }' README.md
}

n=1
while [ $n -le "$(blocks c)" ]; do
    if words=$(block c $n | "${CC:-gcc}" -x c -std=gnu11 -Wall -Wextra -Werror -Iinclude \
        -S -o /dev/null - 2>&1); then
        report ok "program $n compiles"
    else
        report 'not ok' "program $n compiles" "$words"
    fi
    n=$((n + 1))
done

lines=$(block sh 1 | grep -c .)
if [ "$lines" -eq 2 ]; then
    report ok 'the quick start is two lines'
else
    report 'not ok' 'the quick start is two lines' "there are $lines"
fi

for target in $(block sh 1 | sed -n 's/.*make .*\<\([a-z]*\)$/\1/p'); do
    if grep -q "^$target:.*##" Makefile; then
        report ok "make $target is a target"
    else
        report 'not ok' "make $target is a target" 'not in the Makefile'
    fi
done
echo "1..$number"
