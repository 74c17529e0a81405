#!/bin/sh
# sh test/fuzz/run.sh BUILD-DIR SECONDS: runs each libFuzzer target on a copy of its seeds. What it finds stays behind in
# BUILD-DIR/findings; put it into test/fuzz/corpus with the fix.
set -eu
build=$1
seconds=$2
here=$(dirname "$0")
mkdir -p "$build/findings"
good=0
bad=0
for target in "$build"/test/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    corpus=$build/findings/corpus-$name
    mkdir -p "$corpus"
    # The captured datagrams are seeds for all of them; hex becomes bytes.
    for file in "$here"/../data/captures/*.hex "$here"/corpus/"${name#fuzz_}"/*; do
        [ -f "$file" ] || continue
        case $file in
        *.hex) xxd -r -p "$file" >"$corpus/$(basename "$file" .hex)" ;;
        *) cp "$file" "$corpus/" ;;
        esac
    done
    if "$target" -max_total_time="$seconds" -timeout=20 -print_final_stats=0 -verbosity=0 \
        -artifact_prefix="$build/findings/$name-" "$corpus" 2>"$build/findings/$name.log"; then
        echo "ok $name"
        good=$((good + 1))
    else
        tail -n 30 "$build/findings/$name.log"
        echo "not ok $name"
        bad=$((bad + 1))
    fi
done
echo "# pass $good"
echo "# fail $bad"
[ "$bad" = 0 ]
