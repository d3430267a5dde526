/*
 * wait_for and shields: src/task/wait_for.c (await_owned) over src/task/watch.c, the limit's scope
 * and what its edge says (src/task/scope.c, docs/decisions/0004), what a task sees of the causes
 * around it and what is marked when it is refused (src/task/cancel.c), future.c of what is awaited.
 *
 *   waiter    weft_wait_for within a scope with a limit, and, with REGION, within a WEFT_SHIELD in
 *             that; then both edges, and one more call. What it awaits is a future that is settled
 *             on another reactor, or with TASK a task of its own; with SHIELD it is not the
 *             waiter's to cancel (weft_shield)
 *   settler   who settles the future, or does not: the lock, the result, and the wake, which is on
 *             its way for a while
 *   inner     with TASK: the task, which may end at any time, and need not mind being cancelled
 *   clock     the limits, and the shield's, in any order, at once, or never
 *   canceller weft_cancel of the waiter, once or not at all
 *
 * What runs on the waiter's reactor is one step. An interruption meets a task that is parked where
 * it may be interrupted, and nobody else.
 *
 *     outer scope, limit d0 { [shield, until ds] { until scope, limit d1 { the wait } } }
 *
 * What holds: nothing touches the waiter's frame after it left; what is owned has ended when
 * wait_for returns; a result that came is returned, whatever else did; what is shielded is never
 * cancelled; -ETIMEDOUT is said by the edge of a limit that has passed and cut something, and by no
 * other; a shield hides what lies outside, until its own limit; a request from outside is still to
 * be seen afterwards; everybody comes to an end.
 *
 * run: holds
 * run: holds -DSHIELD
 * run: holds -DTASK
 * run: holds -DTASK -DSHIELD
 * run: holds -DREGION
 * run: holds -DREGION -DSHIELD
 * run: holds -DREGION -DTASK
 * run: rejected assertion -DRETURN_AT_ONCE
 * run: rejected assertion -DRETURN_AT_ONCE -DTASK
 * run: rejected assertion -DLEAVE_UNDER_A_WAKE -DSHIELD
 * run: rejected assertion -DCANCEL_WINS
 * run: rejected assertion -DSHIELD_CANCELS -DSHIELD
 * run: rejected assertion -DEDGE_OF_ANY_LIMIT
 * run: rejected assertion -DEDGE_EATS
 * run: rejected assertion -DMARK_INNERMOST
 * run: rejected assertion -DSHIELD_OPEN -DREGION
 * run: rejected deadlock -DPARK_ANYWAY
 * run: rejected deadlock -DSHIELD_KEEPS_QUIET -DREGION
 */
#define NOTHING 0
#define VALUE 1
#define CANCELED 2
#define TIMEDOUT 3

#define PENDING 0
#define QUEUED 1 /* the watch is in the future's row, or among the task's joiners */
#define WAKING 2 /* taken out: a message is on its way to it */
#define AWAY 3   /* done, or it has left */

/* what is awaited */
bool locked;
byte settled; /* NOTHING, VALUE or CANCELED */
bool told;    /* the task: it has been cancelled */
bool by_us;   /* the cancellation that settled it was the waiter's */
bool given;   /* somebody was told that his result was taken */

/* the waiter's frame */
bool alive, done;
byte watch, found;
bool parked, interruptible, woken;

/* the causes, and what lies around the wait */
bool requested, ever_requested, /* the second is the model's own */
     outer_passed, limit_open, limit_passed, covered;
bool outer_marked, limit_marked, outer_seen;

byte result;
bool over;

#ifdef SHIELD_OPEN
#define FROM_OUTSIDE (requested || outer_passed)
#else
#define FROM_OUTSIDE ((requested || outer_passed) && !covered)
#endif
#define VISIBLE (limit_passed || FROM_OUTSIDE)

/* weft__task_refresh, after one of them has changed */
inline refresh()
{
    if
    :: VISIBLE && parked && interruptible -> woken = true
    :: else
    fi
}

/* watch_done */
inline is_done(how)
{
    assert(alive && !done);
    done = true;
    found = how;
    watch = AWAY;
    woken = woken || parked
}

/* weft__task_refuse: marks the scopes within the outermost cause that is seen */
inline refuse()
{
    assert(VISIBLE);
    assert(!covered || limit_passed);
    limit_marked = limit_open;
    outer_seen = outer_seen || (outer_passed && !covered);
#ifndef MARK_INNERMOST
    outer_marked = outer_marked || FROM_OUTSIDE
#endif
}

/* weft__watches_wait; `cut`: it was interrupted, which has not been delivered */
inline wait(may_be_cut)
{
    cut = false;
    do
    :: done -> break
#ifdef PARK_ANYWAY
    :: atomic { !done -> parked = true; interruptible = may_be_cut; woken = false };
        atomic { woken -> parked = false };
        if
        :: atomic { !done && may_be_cut && VISIBLE -> cut = true }; break
        :: else
        fi
#else
    :: atomic { !done && may_be_cut && VISIBLE -> cut = true }; break
    :: atomic { !done && !(may_be_cut && VISIBLE) ->
            parked = true; interruptible = may_be_cut; woken = false };
        atomic { woken -> parked = false }
#endif
    od
}

/* Of a future under its lock, which the settler may have just then. */
inline settle_owned()
{
#ifdef TASK
    told = true
#else
    atomic { !locked -> locked = true };
    if
    :: settled == NOTHING ->
        d_step { settled = CANCELED; by_us = true; watch = WAKING; locked = false };
        d_step { is_done(CANCELED) } /* its own message comes at once */
    :: else -> locked = false
    fi
#endif
}

inline leave()
{
#ifdef TASK
    d_step {
        if
        :: !done -> is_done(CANCELED)
        :: else
        fi
    }
#else
    atomic { !locked -> locked = true };
    if
#ifdef LEAVE_UNDER_A_WAKE
    :: true -> d_step { is_done(CANCELED); locked = false }
#else
    :: watch == QUEUED -> d_step { is_done(CANCELED); locked = false }
#endif
    :: else -> locked = false
    fi
#endif
}

/* await_owned */
inline await()
{
#ifndef TASK
    atomic { !locked -> locked = true };
#endif
    d_step {
        alive = true;
        done = false;
        if
        :: settled -> is_done(settled)
        :: else -> watch = QUEUED
        fi;
        locked = false
    };
    wait(true);
    result = NOTHING;
    if
    :: cut ->
        if
        :: done
        :: else ->
#ifdef SHIELD
#ifdef SHIELD_CANCELS
            settle_owned()
#else
            leave()
#endif
#else
            settle_owned()
#endif
        fi;
#ifndef RETURN_AT_ONCE
        wait(false);
#endif
        skip;
        d_step {
            if
#ifdef CANCEL_WINS
            :: true -> refuse(); result = CANCELED
#else
            :: found == CANCELED -> refuse(); result = CANCELED
#endif
            :: else -> result = found
            fi
        }
    :: else -> result = found
    fi;
    alive = false
}

/* edge_result of the limit's scope, and what weft__until_close makes of it */
inline limit_edge()
{
    d_step {
        if
#ifdef EDGE_OF_ANY_LIMIT
        :: result == CANCELED && limit_marked && (limit_passed || outer_passed) -> result = TIMEDOUT
#else
        :: result == CANCELED && limit_marked && limit_passed -> result = TIMEDOUT
#endif
        :: else
        fi;
#ifdef EDGE_EATS
        requested = requested && result != TIMEDOUT;
#endif
        limit_was_passed = limit_passed;
        limit_open = false;
        limit_passed = false
    }
}

proctype waiter()
{
    bool cut, limit_was_passed, came, was_marked;

#ifdef REGION
    covered = true;
#endif
    if
    :: d_step { settled -> result = settled; came = true } /* looked at first, and unchecked */
    :: else ->
        if
        :: d_step { VISIBLE -> refuse(); result = CANCELED; came = true }
        :: else -> limit_open = true;
            await();
            was_marked = limit_marked;
            limit_edge()
        fi
    fi;
    d_step {
        assert(result != NOTHING);
        if
        :: !came ->
#ifndef SHIELD
            assert(settled); /* what is owned has ended */
            assert(!given || result == VALUE);
#endif
            assert(found != VALUE || result == VALUE);
            assert(result != TIMEDOUT || (limit_was_passed && was_marked));
            /* cut by a limit further out alone: its own edge will say so */
            assert(result != CANCELED || limit_was_passed || outer_passed || requested)
        :: else
        fi;
#ifdef SHIELD
        assert(!by_us && !told);
#endif
        covered = false /* the shield's edge: what lies outside is seen again */
    };
    /* the outer edge: its limit cut something, or did not */
    d_step {
        if
        :: outer_marked && outer_passed -> cut = true
        :: else -> cut = false
        fi;
        assert(cut || !outer_seen); /* both edges say so, if both limits have passed */
        outer_passed = false
    };
    /* the next call: a request is still there */
    d_step { assert(requested == ever_requested); over = true }
}

#ifdef TASK
active proctype inner()
{
    /* by itself, or as it was told; or it does not mind */
    atomic {
        if
        :: settled = VALUE; given = (watch == QUEUED)
        :: told -> settled = CANCELED
        fi;
        if
        :: watch == QUEUED -> is_done(settled)
        :: else
        fi
    }
}
#else
active proctype settler()
{
    bool wakes;

    if
    :: atomic { !locked -> locked = true };
        if
        :: settled == NOTHING ->
            d_step {
                settled = VALUE;
                wakes = (watch == QUEUED);
                given = wakes;
                if
                :: wakes -> watch = WAKING
                :: else
                fi;
                locked = false
            };
            if
            :: wakes -> d_step { is_done(VALUE) } /* when it arrives */
            :: else
            fi
        :: else -> locked = false
        fi
    :: skip
    fi
}
#endif

/* The waiter's own limit passes for sure, if it is still open then; in a shield the shield's does,
   and the request comes. */
active proctype clock()
{
    if
    :: d_step { limit_open -> limit_passed = true; refresh() }
    :: over
#ifdef REGION
    :: skip
#endif
    fi
}

active proctype outer_clock()
{
    if
    :: d_step { outer_passed = true; refresh() }
    :: skip
    fi
}

#ifdef REGION
active proctype shield_clock()
{
    if
#ifdef SHIELD_KEEPS_QUIET
    :: covered -> covered = false
#else
    :: d_step { covered -> covered = false; refresh() }
#endif
    :: over
    fi
}
#endif

active proctype canceller()
{
    if
    :: d_step { requested = true; ever_requested = true; refresh() }
#ifndef REGION
    :: skip
#endif
    fi
}

init {
    run waiter()
}
