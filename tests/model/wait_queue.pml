/*
 * A shared object whose waiters are handed what they wait for, and may be cancelled:
 * src/sync/wait_queue.[ch] and src/sync/semaphore.c, of which the other objects differ in what is
 * handed over only; the waking is that of src/task/wake.[ch], the inbox inbox.pml's.
 *
 *   taker     weft_semaphore_acquire: the fast way by weft__object_swap; else entered, and queued;
 *             then parked until woken. What it got it gives back (weft_semaphore_release).
 *   canceller a cancellation that reaches the taker's reactor while it is parked: interrupted() of
 *             wait_queue.c, which is a step between others on that reactor, never beside the taker
 *   giver     another task, anywhere, that gives one permit
 *
 * The word is one variable: permits, WAITERS and LOCKED change together in one step, as they do in
 * one compare-and-swap. What is done under the lock is nobody else's to see, and may be one step.
 * Granting puts the entry among those to be woken, and the wake is sent after the lock is let go.
 *
 * What holds: no permit is lost or made; nobody waits for ever while there is a permit; each entry
 * is woken exactly once, and its memory is not touched after its taker went on; who was granted has
 * it, however the cancellation came; who is out of the row was refused.
 *
 * run: holds
 * run: holds -DTAKERS=3 -DCANCELLED=1
 * run: holds -DTAKERS=2 -DCANCELLED=2 -DGIVERS=2
 * run: rejected assertion -DFORGET_WAITERS_MARK
 * run: rejected assertion -DSWAP_PAST_WAITERS
 * run: rejected assertion -DSWAP_PAST_THE_LOCK
 * run: rejected assertion -DGONE_IS_GRANTED
 * run: rejected assertion -DGRANTED_MAY_LEAVE
 * run: rejected assertion -DCANCEL_WAKES_TOO
 * run: rejected assertion -DPARK_IS_NOT_CHECKED
 * run: rejected assertion -DPERMIT_STAYS_BEHIND
 */
#ifndef TAKERS
#define TAKERS 2
#endif
#ifndef CANCELLED
#define CANCELLED 1
#endif
#ifndef GIVERS
#define GIVERS 1
#endif

#define NONE 255
#define QUEUED 1
#define GRANTED 2
#define GONE 3

/* the word */
byte permits = 1;
bool waiters, locked;

/* the row, first in first out */
byte row[TAKERS], count;

byte fate[TAKERS];
bool alive[TAKERS];   /* the entry's frame is there */
bool parked[TAKERS];
byte wakes[TAKERS];   /* that have arrived or are under way */
bool arrived[TAKERS];
bool refused[TAKERS];
byte holders, given, ended, cancels;

inline lock()
{
    atomic { !locked -> locked = true }
}
inline unlock()
{
#ifdef FORGET_WAITERS_MARK
    atomic { locked = false; waiters = false }
#else
    atomic { locked = false; waiters = (count > 0) }
#endif
}

/* take_out(): from wherever it stands. */
inline take_out(who)
{
    i = 0;
    do
    :: i < count && row[i] != who -> i++
    :: else -> break
    od;
    assert(i < count);
    do
    :: i + 1 < count -> row[i] = row[i + 1]; i++
    :: else -> break
    od;
    count--;
    i = 0
}

/* The wake arrives on the taker's reactor: a message of its own, or at once. */
inline wake(who)
{
    atomic {
        assert(alive[who]);
        assert(wakes[who] == 0);
        wakes[who]++;
        arrived[who] = true
    }
}

/* weft_semaphore_release; gives one permit */
inline give()
{
    next = NONE;
    if
#ifdef SWAP_PAST_WAITERS
    :: atomic { !locked -> permits++ }
#else
#ifdef SWAP_PAST_THE_LOCK
    :: atomic { !waiters -> old = permits }; permits = old + 1
#else
    :: atomic { !locked && !waiters -> permits++ }
#endif
#endif
    :: else ->
        lock();
        d_step {
            if
            :: count > 0 ->
                next = row[0];
                take_out(next);
                fate[next] = GRANTED
#ifdef PERMIT_STAYS_BEHIND
                ;
                permits++
#endif
            :: else -> permits++
            fi
        };
        unlock();
        if
        :: next != NONE -> wake(next)
        :: else
        fi
    fi
}

proctype taker(byte me)
{
    byte i, next, old;

    if
#ifdef SWAP_PAST_WAITERS
    :: atomic { permits > 0 && !locked -> permits--; fate[me] = GRANTED }; goto has
#else
    :: atomic { permits > 0 && !locked && !waiters -> permits--; fate[me] = GRANTED }; goto has
#endif
    :: else -> skip
    fi;
    lock();
    if
    :: permits > 0 && count == 0 -> d_step { permits--; fate[me] = GRANTED }; unlock(); goto has
    :: else ->
        d_step {
            row[count] = me;
            count++;
            fate[me] = QUEUED;
            alive[me] = true
        };
        unlock()
    fi;
    /* weft__entry_wait */
#ifdef PARK_IS_NOT_CHECKED
    arrived[me] = false; /* what came before it parked has met nobody */
#endif
    parked[me] = true;
    atomic { arrived[me] -> parked[me] = false };
#ifdef GONE_IS_GRANTED
    if
    :: true -> skip
    fi;
#else
    if
    :: fate[me] == GONE -> refused[me] = true; alive[me] = false; goto out
    :: else -> assert(fate[me] == GRANTED)
    fi;
#endif
    alive[me] = false;
has:
    atomic { holders++; assert(holders <= 1 + given) };
    holders--;
    give();
out:
    ended++
}

/* interrupted(): while the taker is parked, and on its reactor. */
proctype canceller(byte who)
{
    byte i;
    bool leaves;

    if
    :: atomic { parked[who] && !arrived[who] -> skip };
        lock();
        d_step {
#ifdef GRANTED_MAY_LEAVE
            leaves = (fate[who] == QUEUED || fate[who] == GRANTED);
            if
            :: fate[who] == QUEUED -> take_out(who)
            :: else
            fi;
#else
            leaves = (fate[who] == QUEUED);
            if
            :: leaves -> take_out(who)
            :: else
            fi;
#endif
            if
            :: leaves -> fate[who] = GONE
            :: else
            fi
        };
        unlock();
        if
#ifdef CANCEL_WAKES_TOO
        :: true -> wake(who)
#else
        :: leaves -> wake(who)
        :: else
#endif
        fi
    :: skip /* it came at another time: before, or not at all */
    fi;
    cancels++
}

proctype giver()
{
    byte i, next, old;

    atomic { given++ };
    give();
    ended++
}

/* Nobody can move: then all have ended, and the permits are what they were and what was given. */
active proctype judge()
{
    byte t;

    (timeout);
    assert(ended == TAKERS + GIVERS && cancels == CANCELLED);
    assert(permits == 1 + GIVERS && count == 0 && !waiters && !locked && holders == 0);
    do
    :: t < TAKERS ->
        assert(!alive[t] && wakes[t] <= 1);
        assert(refused[t] == (fate[t] == GONE));
        t++
    :: else -> break
    od
}

init {
    byte n;
    atomic {
        do
        :: n < TAKERS -> run taker(n); n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < CANCELLED -> run canceller(n); n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < GIVERS -> run giver(); n++
        :: else -> break
        od;
        n = 0
    };
end:
    false
}
