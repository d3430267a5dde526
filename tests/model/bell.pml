/*
 * Looking, sleeping, and a bell that rides along: src/reactor/reactor.c (visit_kernel), look.c, and
 * weft__reactor_send, ring_along, weft__reactor_ring_again and shut_door of reactor_open.c.
 *
 *   reactor   weft__reactor_turn until `done`, then shut_door. Two of them, sending to each other;
 *             `sq` is what its ring has queued, all of it bells for the other one
 *   leader    src/runtime/wind.c: when both have said that their last task has ended (tell_wound) it
 *             asks each once more (flush_run), and when both have answered tells each to end, by
 *             system call (all_wound); it stands for posters of other threads as well
 *
 * A bell is rung by system call at once, or by a request that the next enter submits. The kernel
 * may refuse the request: then a completion says so (WEFT__TOKEN_RANG), and the bell is rung by
 * system call after all. A sleep may also end by itself: a timer, or another completion.
 *
 * What holds: no reactor sleeps for ever while something waits for it; a bell is closed only when
 * nobody rings it any more, in either way; the settling before that comes to an end.
 *
 * run: holds
 * run: holds -DOWN_END
 * run-long: holds -DMESSAGES=3
 * run: rejected assertion -DNO_FLUSH
 * run: rejected assertion -DREFUSED_COUNTS_TWICE
 * run: rejected deadlock -DNO_FALLBACK
 * run: rejected deadlock -DSLEEP_UNANNOUNCED
 * run: rejected deadlock -DLOOK_WITHOUT_END
 * run: rejected deadlock -DALONG_NOT_COUNTED
 * run: rejected assertion -DNO_SETTLING
 */
#ifndef MESSAGES
#define MESSAGES 2
#endif
#define EMPTY 0
#define SLEEPING 1
#define SOME 2
#define CLOSED 3

/* the inbox; messages are alike, so they are counted */
byte head[2], pushed[2];
short due[2]; /* bells_owed - rung_along - times rung by system call: settled at 0 or below */
bool bell_open[2] = true;
bool ended[2];

/* the rings */
byte sq[2], heard[2], refused[2]; /* queued; completions of the bell; completions with TOKEN_RANG */

byte left[2] = MESSAGES, received[2];
bool wound[2], flush[2], flushed[2], finish[2], done[2];
byte refusals = 1, own_ends = 1;

#define OTHER (1 - me)
#define RING_BY_CALL(whom)                                                                         \
    assert(bell_open[whom]); due[whom]--; heard[whom] = (ended[whom] -> 0 : 1)

/* weft__reactor_send. The push is one step, the rest may come later. */
inline send()
{
    atomic {
        assert(head[OTHER] != CLOSED);
        wake = (head[OTHER] == SLEEPING);
        head[OTHER] = SOME;
        pushed[OTHER]++
    };
    if
    :: wake -> /* other work is ready, or there is no room for a request: by system call */
        atomic { RING_BY_CALL(OTHER) }
    :: wake ->
        #ifndef ALONG_NOT_COUNTED
        due[OTHER]--;
#endif
        sq[me]++
    :: else
    fi;
    wake = false
}

/* What an enter does with what is queued. */
inline submit()
{
    do
    :: atomic {
           sq[me] > 0 ->
           assert(bell_open[OTHER]); /* its descriptor must not mean something else by now */
           sq[me]--;
           if
           :: heard[OTHER] = (ended[OTHER] -> 0 : 1)
           :: refusals > 0 -> refusals--; refused[me]++
           fi
       }
    :: else -> break
    od
}

/* weft__inbox_wake and weft__inbox_run: all that was pushed; flush_run, finish_run. */
inline take_and_run()
{
    head[me] = EMPTY;
    received[me] = received[me] + pushed[me];
    pushed[me] = 0;
    flush_came = flush[me];
    done[me] = finish[me]
}

proctype reactor(byte me)
{
    bool wake, wait, flush_came;

    do
    :: !done[me] ->
        /* visit_kernel */
        wait = false;
        if
        :: head[me] != EMPTY -> skip /* work_waits, or the look has found it */
        :: else ->
#ifdef LOOK_WITHOUT_END
            (head[me] != EMPTY || heard[me] > 0);
#endif
            if
            :: sq[me] > 0 -> skip /* weft__look: submit in this turn, look in the next */
            :: true ->            /* weft__look: not now, or nothing came */
#ifdef SLEEP_UNANNOUNCED
                wait = true
#else
                if
                :: atomic { head[me] == EMPTY -> head[me] = SLEEPING; wait = true }
                :: head[me] != EMPTY -> skip
                fi
#endif
            fi
        fi;
        submit();
        if
        :: wait ->
            if
            :: heard[me] > 0 || refused[me] > 0 -> skip
            :: left[me] > 0 -> skip /* what a task of ours waits for, before it sends */
#ifdef OWN_END
            :: atomic { own_ends > 0 -> own_ends-- } /* it ends by itself */
#endif
            fi;
            atomic {
                due[me] = due[me] + (head[me] != SLEEPING -> 1 : 0);
                take_and_run()
            }
        :: else
        fi;
        /* reap */
        heard[me] = 0;
        do
        :: atomic {
               refused[me] > 0 ->
               refused[me]--; /* weft__reactor_ring_again */
#ifndef REFUSED_COUNTS_TWICE
               due[OTHER]++;
#endif
#ifndef NO_FALLBACK
               RING_BY_CALL(OTHER)
#endif
           }
        :: else -> break
        od;
        if
        :: atomic { head[me] != EMPTY -> take_and_run() }
        :: else
        fi;
        flushed[me] = flush_came; /* flush_run: what was taken above is run here */
        /* run_ready: some of what there is to do */
        do
        :: left[me] > 0 -> left[me]--; send()
        :: break
        od;
        atomic { /* tell_wound */
            if
            :: left[me] == 0 && received[me] == MESSAGES -> wound[me] = true
            :: else
            fi
        }
    :: done[me] -> break
    od;
    /* shut_door */
    head[me] = CLOSED;
#ifndef NO_SETTLING
    (due[me] <= 0); /* weft__bell_settle */
#endif
    atomic { ended[me] = true; bell_open[me] = false; heard[me] = 0 }
}

/* To each member, by system call. */
inline tell_each(what)
{
    me = 0;
    do
    :: me < 2 ->
        atomic {
            wake = (head[me] == SLEEPING);
            head[me] = SOME;
            what = true
        };
        if
        :: wake -> atomic { RING_BY_CALL(me) }
        :: else
        fi;
        me++
    :: else -> break
    od
}

proctype leader()
{
    byte me;
    bool wake;

    (wound[0] && wound[1]);
#ifndef NO_FLUSH
    tell_each(flush[me]);
    (flushed[0] && flushed[1]);
#endif
    tell_each(finish[me])
}

init {
    atomic { run reactor(0); run reactor(1); run leader() }
}
