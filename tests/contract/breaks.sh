#!/bin/sh
# Does the suite notice a kernel that answers otherwise? The simulated one is told to, request by
# request; each time some check must break, and name what it got.
#
#   breaks.sh CONTRACT_SIM
set -u
program=$1
missed=0
export ASAN_OPTIONS=detect_leaks=0 # a check whose request hangs is left as it stands

breaks() { # PLAN CHECK ANSWER
    if said=$("$program" --plan="calm $1" "$2"); then
        echo "nobody noticed: $1 in $2"
        missed=1
    elif ! echo "$said" | grep -q "^BROKEN .*$2.*$3\|in the way: .*$3"; then
        echo "not said: $3, for $1 in $2:"
        echo "$said"
        missed=1
    fi
}

breaks 'recv#1=ECONNRESET' recv/what-is-there 'recv -ECONNRESET'
breaks 'recv#1=short' recv/what-is-there 'recv 1'
breaks 'recv#1=hang' recv/the-end-while-waiting 'no completion came'
breaks 'recv#1=ENOMEM' cancel/ends-a-receive 'recv -ENOMEM'
breaks 'send#1=short' send/a-small-one 'send 1'
breaks 'send#1=ENOMEM' send/all-over-tcp 'not so: 4 MiB do not fit'
breaks 'send#1=EPIPE' cancel/a-receive-that-has-some 'recv'
breaks 'accept#1=ECONNABORTED' accept/tcp 'cannot\|no completion\|:'
breaks 'accept#1=EMFILE' accept/stays-armed 'failed'
breaks 'connect#1=ETIMEDOUT' connect/to-one-that-listens 'tcp -ETIMEDOUT'
breaks 'close#1=EIO' close/closing 'close -EIO'
breaks 'poll#1=ENOMEM' bells/by-hand 'rings by itself\|an error'
breaks 'poll#1=hang' bells/by-hand 'no completion came'
breaks 'msg_ring#1=hang' bells/by-message 'no completion came'
breaks 'recv#1=EFAULT' buffers/pieces 'EFAULT'
breaks 'open#2=EMFILE' files/opening 'not made'
breaks 'write#1=short' files/offsets-and-positions 'write 1'
breaks 'fsync#1=EIO' files/syncing 'file -EIO'
breaks 'rename#1=ENOSPC' files/names 'rename -ENOSPC'
# (under the address sanitizer the kernel sees that the memory it was lent has gone)
breaks 'read#1=hang' pipes/waiting 'no completion came\|the world ended'
breaks 'poll#1=hang' ready/what-is-so 'no completion came'
breaks 'recv#1=hang' buffers/the-end 'no completion came'
breaks 'poll#1=hang' watch/a-poll-tells 'no completion came'
breaks 'read#1=short' ahead/at-once '4 whole'
breaks 'write#1=short' direct/a-part-at-the-end 'whole'
[ $missed = 0 ] && echo 'all were noticed'
exit $missed
