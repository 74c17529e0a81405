# Leaves out of a script or style sheet what only its readers need: lines that are a comment, empty ones, and the space that lines
# begin with. A block comment that begins a line is taken to be alone in its lines, and no text of several lines to depend on
# either; test/packaging/squeeze.test.mjs sees to it, for every file that is embedded.
block {
    if (/\*\//) block = 0
    next
}
/^[ \t]*\/\*/ {
    if (!/\*\//) block = 1
    if (block || /\*\/[ \t]*$/) next
}
/^[ \t]*\/\// { next }
{
    sub(/^[ \t]+/, "")
    if ($0 != "") print
}
