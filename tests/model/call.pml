/*
 * A call to another reactor, or a remote child: src/task/call.c (docs/decisions/0002, 0017).
 *
 *   caller    call_run: sends `go`, is parked, leaves its frame when it is woken; calls again.
 *             near(): its reactor, which runs back_run and heard_run
 *   outlook   whatever changes what the caller sees, a cancellation or a drain: call_interrupt and
 *             tell()
 *   far       the target's reactor: go_run, news_run; its closing, as src/runtime/wind.c allows it
 *   callee    the task there: remote_main, or remote_drop if it is cancelled before it first runs
 *
 * Each reactor is one thread, so each of its pieces is one step; messages between two reactors
 * arrive in the order sent (inbox.pml). The four messages and all else of a call lie in the
 * caller's frame: `round` tells one frame from the next, and each use of a frame from afar checks
 * that it is still there.
 *
 * What holds: the frame is there as long as anybody uses it; a message is under way once at a time;
 * the argument is run or dropped, once; the result comes home once, and before the caller goes on;
 * what the caller sees last is seen by the callee too, if it still runs; everybody comes to an end.
 *
 * run: holds
 * run: holds -DCHANGES=4 -DCALLS=1
 * run-long: holds -DCHANGES=4 -DCALLS=3
 * run: rejected assertion -DLEAVE_ON_BACK
 * run: rejected assertion -DTELL_AT_ONCE
 * run: rejected assertion -DNO_NEWS_AFTER_NEWS
 * run: rejected assertion -DTOUCH_AFTER_BACK
 * run: rejected assertion -DBACK_BEFORE_RESULT
 * run: rejected assertion -DINTERRUPT_ENDS
 * run: rejected assertion -DNO_START_OUTLOOK
 * run: rejected assertion -DDROP_FORGOTTEN
 * run: rejected deadlock -DSILENT_WHEN_ENDED
 * run: rejected deadlock -DCLOSES_EARLY
 */
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef CALLS
#define CALLS 2
#endif

mtype = { go, news, back, heard };
chan to_far = [4] of { mtype, byte };  /* message, and of which round */
chan to_near = [4] of { mtype, byte };
byte under_way[5]; /* by message: 1 at most */

/* the caller's frame: struct call */
bool there, parked, telling, over, woken;
byte round, outstanding, told, at_start, result;
byte argument; /* times run or dropped */
byte now;      /* the outlook of the caller, a number that grows */

/* the target's */
bool callee_runs, callee_started, far_closed, far_may_close;
byte callee_round, callee_sees;

#define FRAME(r) assert(there && round == (r))
#define SEND(inbox, message, r)                                                                    \
    assert(under_way[message] == 0); under_way[message]++; inbox!message(r)

/* tell() */
inline tell()
{
    if
#ifdef TELL_AT_ONCE
    :: over || told == now
#else
    :: telling || over || told == now
#endif
    :: else ->
        told = now;
        if
        :: far_closed -> skip /* unreachable: it closes when no call is left */
        :: else ->
            SEND(to_far, news, round);
            telling = true;
            outstanding++
        fi
    fi
}

/* came_home() */
inline came_home()
{
    outstanding--;
    if
    :: outstanding == 0 -> woken = true
    :: else
    fi
}

proctype caller()
{
    do
    :: round < CALLS ->
        atomic { /* call_run */
            there = true;
            outstanding = 1;
            telling = false;
            over = false;
            woken = false;
            result = 0;
            argument = 0;
            told = now;
            at_start = now;
            if
            :: far_closed -> skip /* unreachable */
            :: else ->
                SEND(to_far, go, round);
                parked = true
            fi
        };
        atomic {
            woken ->
            parked = false;
            assert(result == round + 1 && over); /* it came home, this one, and first */
            assert(argument == 1);
            assert(under_way[go] == 0 && under_way[news] == 0);
            assert(under_way[back] == 0 && under_way[heard] == 0);
            woken = false;
            there = false;
            round++
        }
    :: else -> break
    od;
    far_may_close = true /* its root is empty; it says so, and the leader lets all of them close */
}

proctype outlook()
{
end:
    do
    :: atomic {
           now < CHANGES ->
           now++;
           if
           :: parked ->
#ifdef INTERRUPT_ENDS
               woken = true;
#endif
               tell()
           :: else
           fi
       }
    od
}

proctype near()
{
    byte r;
end:
    do
    :: atomic { /* back_run */
           to_near?back(r) ->
           under_way[back]--;
           FRAME(r);
           assert(!over);
           over = true;
#ifdef LEAVE_ON_BACK
           outstanding = 1;
#endif
           came_home();
           r = 0
       }
    :: atomic { /* heard_run */
           to_near?heard(r) ->
           under_way[heard]--;
           FRAME(r);
           telling = false;
#ifdef NO_NEWS_AFTER_NEWS
           came_home();
#else
           tell();
           came_home();
#endif
           r = 0
       }
    od
}

/* remote_main, after it was started */
proctype callee(byte r)
{
    if
    :: atomic { /* the body runs; what it owns it lets go of */
           true ->
           FRAME(r);
           argument++;
           assert(argument == 1);
           callee_started = true
       };
       atomic {
           true -> /* remote_main: the result, then word of it */
           FRAME(r);
#ifndef BACK_BEFORE_RESULT
           result = r + 1;
#endif
           callee_runs = false;
           callee_started = false;
           SEND(to_near, back, r)
       };
#ifdef BACK_BEFORE_RESULT
       atomic { FRAME(r); result = r + 1 }
#endif
#ifdef TOUCH_AFTER_BACK
       FRAME(r)
#endif
    :: atomic { /* cancelled before it first ran: remote_drop */
           callee_sees > 0 ->
           FRAME(r);
#ifndef DROP_FORGOTTEN
           argument++;
           assert(argument == 1);
#endif
           result = r + 1;
           callee_runs = false;
           SEND(to_near, back, r)
       }
    fi
}

proctype far()
{
    byte r;

    do
    :: atomic { /* go_run */
           to_far?go(r) ->
           under_way[go]--;
           FRAME(r);
           if
           :: true -> /* refused: no memory, or the root is cancelled; drop_unstarted */
               argument++;
               assert(argument == 1);
               result = r + 1;
               SEND(to_near, back, r)
           :: true ->
               callee_runs = true;
               callee_round = r;
#ifndef NO_START_OUTLOOK
               callee_sees = at_start;
#else
               callee_sees = 0;
#endif
               run callee(r)
           fi;
           r = 0
       }
    :: atomic { /* news_run */
           to_far?news(r) ->
           under_way[news]--;
           FRAME(r);
           if
           :: callee_runs && callee_round == r ->
               callee_sees = told
           :: else
           fi;
#ifdef SILENT_WHEN_ENDED
           if
           :: callee_runs -> SEND(to_near, heard, r)
           :: else
           fi;
#else
           SEND(to_near, heard, r);
#endif
           r = 0
       }
#ifdef CLOSES_EARLY
    :: atomic { !callee_runs -> far_closed = true }; break
#else
    :: atomic { !callee_runs && far_may_close -> far_closed = true }; break
#endif
    od;
    atomic { /* weft__inbox_close: what waits is dropped; these have no function for that */
        do
        :: to_far?go(r) -> under_way[go]--     /* unreachable: no call is left */
        :: to_far?news(r) -> under_way[news]-- /* unreachable */
        :: empty(to_far) -> break
        od
    }
}

/* At rest the callee sees what the caller sees. */
active proctype judge()
{
end:
    atomic {
        callee_runs && parked && !telling && empty(to_far) && empty(to_near) ->
        assert(callee_round == round && callee_sees == now)
    }
}

init {
    atomic {
        run caller();
        run outlook();
        run near();
        run far()
    }
}
