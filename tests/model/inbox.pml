/*
 * The inbox and its bell: src/reactor/inbox.c, as used by src/reactor/reactor.c.
 *
 *   producer   weft__inbox_send: weft__inbox_push, and weft__bell_ring when it ended a sleep
 *   reactor    weft__reactor_turn: visit_kernel (weft__inbox_any, _sleep, _wake), then
 *              weft__inbox_run; `take` is take()
 *   memory     the machine: what was stored becomes visible later, and not in the order stored
 *
 * `head` is the one word. A message's link and its contents are ordinary memory: a store waits in
 * its thread's buffer until memory() takes it out, in any order; release empties the buffer first.
 * What is loaded without acquire may have been loaded before there was anything. Changes of `head`
 * itself are read-modify-writes, each of them one step.
 *
 * What holds: every message is run once, whole, in its producer's order; the reactor never sleeps
 * for ever; at most one bell for a sleep.
 *
 * The variants take away what the design relies on, one thing at a time:
 *
 * run: holds
 * run: holds -DPRODUCERS=2 -DMESSAGES=2
 * run: holds -DOWN_END
 * run-long: holds -DPRODUCERS=2 -DMESSAGES=2 -DOWN_END
 * run-long: holds -DPRODUCERS=2 -DMESSAGES=3
 * run: rejected assertion -DPUSH_RELAXED
 * run: rejected assertion -DTAKE_RELAXED
 * run: rejected deadlock -DPUSH_TORN
 * run: rejected deadlock -DTAKE_TORN
 * run: rejected deadlock -DSLEEP_TORN
 * run: rejected deadlock -DWAKE_STORES
 * run: rejected deadlock -DRING_IF_EMPTY
 * run: rejected assertion -DRING_ALWAYS
 * run: rejected assertion -DNOT_REVERSED -DPRODUCERS=1 -DMESSAGES=2
 * run: rejected deadlock -DSLEEP_ON_BATCH -DPRODUCERS=2 -DMESSAGES=2
 */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#define ALL (PRODUCERS * MESSAGES)

#define EMPTY 0
#define SLEEPING 1
#define FIRST 3 /* messages are 3, 4, ...; CLOSED is closing.pml's */
#define IS_MESSAGE(word) ((word) >= FIRST)
#define LAST (FIRST + ALL)

byte head = EMPTY;
byte link[LAST];   /* message->next, as memory has it */
bool filled[LAST]; /* what the message carries */

/* stores on their way */
bool link_waits[LAST], filled_waits[LAST];
byte link_value[LAST];

byte bells, rung, owed, sleeps; /* bells: rung and not yet heard */
byte ran, ran_of[PRODUCERS];
byte batch;

/* The buffers empty themselves whenever they like; one of these for each message. */
proctype memory(byte m)
{
end:
    do
    :: atomic { link_waits[m] -> link[m] = link_value[m]; link_waits[m] = false; link_value[m] = 0 }
    :: atomic { filled_waits[m] -> filled[m] = true; filled_waits[m] = false }
    od
}

#define RING atomic { bells++; rung++; assert(rung <= sleeps) }
#define VISIBLE(m) (!link_waits[m] && !filled_waits[m])

proctype producer(byte which)
{
    byte m = FIRST + which * MESSAGES, old;

    do
    :: m < FIRST + (which + 1) * MESSAGES ->
        atomic { filled_waits[m] = true; old = head } /* a relaxed load: it may be any that was */
        do
        :: atomic {
               link_value[m] = (IS_MESSAGE(old) -> old : 0);
               link_waits[m] = true
           }
#ifndef PUSH_RELAXED
           VISIBLE(m); /* release */
#endif
#ifdef PUSH_TORN
           if
           :: head == old -> skip
           :: atomic { head != old -> old = head }; goto again
           fi;
           head = m;
           break;
        again:
           skip
#else
           if
           :: atomic { head == old -> head = m }; break
           :: atomic { head != old -> old = head }
           fi
#endif
        od;
#if defined(RING_ALWAYS)
        RING;
#elif defined(RING_IF_EMPTY)
        if
        :: old == EMPTY -> RING
        :: else
        fi;
#else
        if
        :: old == SLEEPING -> RING
        :: else
        fi;
#endif
        atomic { m++; old = 0 }
    :: else -> break
    od
}

#ifdef TAKE_RELAXED
#define LOAD(into, place, before) if :: into = place :: into = before fi
#else
#define LOAD(into, place, before) into = place
#endif

/* take(): all that was pushed, oldest first. */
inline take(word)
{
#ifdef TAKE_TORN
    word = head;
    head = EMPTY;
#else
    atomic { word = head; head = EMPTY };
#endif
    newest = (IS_MESSAGE(word) -> word : 0);
    do
    :: newest != 0 ->
        atomic {
            LOAD(followed, link[newest], 0);
#ifdef NOT_REVERSED
            at = (at == 0 -> newest : at);
#else
            following[newest] = at;
            at = newest;
#endif
            newest = followed
        }
    :: else -> break
    od;
#ifdef NOT_REVERSED
    atomic {
        newest = at;
        do
        :: newest != 0 -> following[newest] = link[newest]; newest = link[newest]
        :: else -> break
        od
    };
#endif
    atomic { batch = at; at = 0; newest = 0; followed = 0 }
}

proctype reactor()
{
    byte word, newest, at, followed, following[LAST], own_ends = 1, whose;
    bool whole;

    do
    :: ran < ALL ->
        /* visit_kernel */
        if
        :: batch == 0 && head != EMPTY -> skip /* weft__inbox_any: no sleep */
#ifndef SLEEP_ON_BATCH
        :: batch != 0 -> skip
#endif
        :: else ->
#ifdef SLEEP_TORN
            if
            :: head == EMPTY -> skip
            :: head != EMPTY -> goto run_batch
            fi;
            atomic { head = SLEEPING; sleeps++ };
#else
            if
            :: atomic { head == EMPTY -> head = SLEEPING; sleeps++ }
            :: head != EMPTY -> goto run_batch
            fi;
#endif
            if
            :: atomic { bells > 0 -> bells-- } /* the enter ends */
#ifdef OWN_END
            :: atomic { own_ends > 0 -> own_ends-- } /* a timer, a completion */
#endif
            fi;
            /* weft__inbox_wake */
#ifdef WAKE_STORES
            head = EMPTY;
#else
            take(word);
            if
            :: word != SLEEPING -> owed++
            :: else
            fi
#endif
        fi;
    run_batch:
        /* weft__inbox_run; now and then it stops at its limit, and leaves some for the next turn */
        if
        :: batch == 0 && head != EMPTY && head != SLEEPING -> take(word)
        :: else
        fi;
        do
        :: batch != 0 ->
            atomic {
                whose = (batch - FIRST) / MESSAGES;
                LOAD(whole, filled[batch], false);
                assert(whole);
                assert(ran_of[whose] == (batch - FIRST) % MESSAGES); /* in order, and once */
                ran_of[whose]++;
                ran++;
                batch = following[batch];
                whose = 0;
                whole = false
            };
            if
            :: true -> skip
            :: batch != 0 && PRODUCERS == 2 -> break
            fi
        :: else -> break
        od
    :: else -> break
    od;
    /* at the close: bells owed are those that ring */
    (rung == owed);
    assert(owed <= sleeps)
}

init {
    byte i;
    atomic {
        do
        :: i < PRODUCERS -> run producer(i); i++
        :: else -> break
        od;
        i = FIRST;
        do
        :: i < LAST -> run memory(i); i++
        :: else -> break
        od;
        i = 0;
        run reactor()
    }
}
