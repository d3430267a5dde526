/*
 * Posting to an inbox that closes, references to it, and visits to its reactor:
 * src/reactor/inbox.c, with src/runtime/post.c and src/runtime/stats.c as those who use it.
 *
 *   poster    weft_post with a reference of its own: weft__inbox_send, then weft__inbox_release
 *   visitor   weft_stats_read: weft__inbox_visit, a look at the reactor, weft__inbox_visit_end;
 *             then weft__inbox_release
 *   reactor   some turns of weft__inbox_run, then shut_door of src/reactor/reactor_open.c:
 *             weft__inbox_close, the settling of the bell, and the end of reactor and inbox
 *
 * Sequentially consistent read-modify-writes are one step, seen by all at once. In the variants
 * that make one weaker its thread's next load goes before it: the arrival of a visitor waits, a
 * store on its way, until buffer() lets it out; the closer has read how many visitors there are
 * before its mark is seen.
 *
 * What holds: a post is run, dropped or refused, exactly once; nothing is touched after it was
 * freed; everything is freed, once; a visitor that got in finds the reactor alive.
 *
 * run: holds
 * run: holds -DPOSTERS=3 -DVISITORS=1 -DTURNS=1
 * run: holds -DPOSTERS=1 -DVISITORS=3
 * run-long: holds -DPOSTERS=3 -DVISITORS=1
 * run: rejected assertion -DVISIT_WEAKER -DPOSTERS=1
 * run: rejected assertion -DCLOSE_WEAKER -DPOSTERS=1
 * run: rejected assertion -DLOOK_FIRST -DPOSTERS=1
 * run: rejected assertion -DNO_WAIT_FOR_VISITORS -DPOSTERS=1
 * run: rejected assertion -DNO_REFERENCE
 * run: rejected assertion -DRELEASE_TORN
 * run: rejected assertion -DCLOSE_BEFORE_BATCH
 * run: rejected assertion -DCLOSE_TORN
 * run: rejected assertion -DPUSH_TORN
 * run: rejected assertion -DNO_CLOSED_MARK
 * run: rejected assertion -DNO_SETTLING
 */
#ifndef POSTERS
#define POSTERS 2
#endif
#ifndef VISITORS
#define VISITORS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif

#define EMPTY 0
#define SLEEPING 1
#define CLOSED 2
#define FIRST 3
#define LAST (FIRST + POSTERS)
#define IS_MESSAGE(word) ((word) >= FIRST)

byte head = EMPTY;
byte link[LAST], fate[LAST]; /* fate: times run, dropped or refused */
byte references = 1 + POSTERS + VISITORS, visitors;
byte bells, rung, owed;
bool inbox_lives = true, reactor_lives = true, bell_open = true, closed;
bool count_waits[VISITORS]; /* a visitor's arrival, not seen by others yet */
byte batch, freed;

#define TOUCH_INBOX assert(inbox_lives)

/* weft__inbox_release */
inline release()
{
#ifdef RELEASE_TORN
    TOUCH_INBOX;
    was = references;
    references = was - 1;
#else
    atomic { TOUCH_INBOX; was = references; references-- };
#endif
    if
    :: was == 1 -> atomic { assert(inbox_lives); inbox_lives = false; freed++ }
    :: else
    fi
}

proctype poster(byte m)
{
    byte old, was;

#ifdef NO_REFERENCE
    atomic { references-- }; /* given back too early */
    if
    :: references == 0 -> inbox_lives = false
    :: else
    fi;
#endif
    atomic { TOUCH_INBOX; old = head };
    do
    :: old == CLOSED -> fate[m]++; break
    :: old != CLOSED ->
        link[m] = (IS_MESSAGE(old) -> old : 0);
#ifdef PUSH_TORN
        if
        :: head == old -> skip
        :: atomic { head != old -> old = head }; goto again
        fi;
        head = m;
        goto pushed;
    again:
        skip
#else
        if
        :: atomic { head == old -> TOUCH_INBOX; head = m }; goto pushed
        :: atomic { head != old -> TOUCH_INBOX; old = head }
        fi
#endif
    od;
    goto out;
pushed:
    if
    :: old == SLEEPING -> atomic { TOUCH_INBOX; assert(bell_open); bells++; rung++ }
    :: else
    fi;
out:
#ifndef NO_REFERENCE
    release()
#else
    was = 0
#endif
}

proctype visitor(byte which)
{
    byte was;

#ifdef LOOK_FIRST /* looks whether it is closed, and only then says that it is there */
    if
    :: head == CLOSED -> goto out
    :: head != CLOSED -> skip
    fi;
    atomic { TOUCH_INBOX; visitors++ };
#else
#ifdef VISIT_WEAKER
    atomic { TOUCH_INBOX; count_waits[which] = true };
#else
    atomic { TOUCH_INBOX; visitors++ };
#endif
    if
    :: atomic { head == CLOSED -> TOUCH_INBOX }; goto leave
    :: atomic { head != CLOSED -> TOUCH_INBOX }
    fi;
#endif
    assert(reactor_lives); /* the look at its counters */
    assert(reactor_lives);
leave:
    atomic { !count_waits[which] -> TOUCH_INBOX; visitors-- };
out:
    release()
}

/* Stores on their way arrive. */
active proctype buffer()
{
    byte i;
end:
    do
    :: atomic { count_waits[0] -> count_waits[0] = false; visitors++ } /* unreachable */
#if VISITORS > 1
    :: atomic { count_waits[1] -> count_waits[1] = false; visitors++ } /* unreachable */
#endif
#if VISITORS > 2
    :: atomic { count_waits[2] -> count_waits[2] = false; visitors++ } /* unreachable */
#endif
    od
}

/* take(), with the mark it leaves. Reversing is inbox.pml's matter; here order does not count. */
inline take(word, mark)
{
    atomic { word = head; head = mark };
    batch = (IS_MESSAGE(word) -> word : 0)
}
inline end_batch()
{
    do
    :: batch != 0 -> atomic { m = batch; batch = link[m]; fate[m]++; assert(fate[m] == 1); m = 0 }
    :: else -> break
    od
}

proctype reactor()
{
    byte word, was, m, turns = TURNS;

    do
    :: turns > 0 ->
        turns--;
        if /* visit_kernel: it may sleep, and a timer or a bell ends that */
        :: atomic { batch == 0 && head == EMPTY -> head = SLEEPING };
            if
            :: atomic { bells > 0 -> bells-- }
            :: skip
            fi;
            take(word, EMPTY);
            if
            :: word != SLEEPING -> owed++
            :: else
            fi
        :: skip
        fi;
        if /* weft__inbox_run, with its limit */
        :: batch == 0 && head != EMPTY -> take(word, EMPTY)
        :: else
        fi;
        if
        :: batch != 0 ->
            atomic { m = batch; batch = link[m]; fate[m]++; assert(fate[m] == 1); m = 0 }
        :: else
        fi
    :: true -> break
    od;
    /* weft__inbox_close */
#ifdef CLOSE_BEFORE_BATCH
    batch = 0; /* what was taken before is forgotten */
#endif
    end_batch();
#ifdef CLOSE_WEAKER
    (visitors == 0);
#endif
#if defined(CLOSE_TORN)
    word = head;
    head = CLOSED;
    batch = (IS_MESSAGE(word) -> word : 0);
#elif defined(NO_CLOSED_MARK)
    take(word, EMPTY);
#else
    take(word, CLOSED);
#endif
    end_batch();
#if !defined(NO_WAIT_FOR_VISITORS) && !defined(CLOSE_WEAKER)
    (visitors == 0);
#endif
    /* weft__bell_settle, weft__bell_close */
#ifndef NO_SETTLING
    (rung == owed);
#endif
    bell_open = false;
    reactor_lives = false;
    release();
    closed = true
}

/* After everybody: each post came to one end, and all was freed, once. */
active proctype judge()
{
    byte i = FIRST;

    (closed && _nr_pr == 3); /* this one, buffer and init */
    do
    :: i < LAST -> assert(fate[i] == 1); i++
    :: else -> break
    od;
    assert(freed == 1 && !inbox_lives && references == 0 && rung == owed)
}

init {
    byte i = FIRST;
    atomic {
        run reactor();
        do
        :: i < LAST -> run poster(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < VISITORS -> run visitor(i); i++
        :: else -> break
        od;
        i = 0
    };
end:
    false
}
