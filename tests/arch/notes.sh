#!/bin/sh
# notes.sh READELF OBJECT FEATURE: the object claims FEATURE (IBT, BTI) in its property note, does not
# claim a shadow stack, and asks for a stack that is not executable. Would catch an assembly file
# without its notes: one such file takes the protection from the whole library.
readelf=$1 object=$2 feature=$3

notes=$("$readelf" -nW "$object") || exit 1
echo "$notes" | grep -q "feature: .*$feature" || { echo "no $feature: $notes" >&2; exit 1; }
if echo "$notes" | grep -q SHSTK; then
    echo "claims a shadow stack" >&2
    exit 1
fi
stack=$("$readelf" -SW "$object" | grep 'note.GNU-stack') || { echo "no stack note" >&2; exit 1; }
flags=$(echo "$stack" | sed 's/.*GNU-stack *PROGBITS *//' | awk '{ print $5 }')
case $flags in
*X*) echo "executable stack: $stack" >&2 && exit 1 ;;
esac
exit 0
