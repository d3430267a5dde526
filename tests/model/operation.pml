/*
 * The life of an operation and its cancellation: src/reactor/op.h draws it, op.c and the end of
 * reactor.h are it.
 *
 *   task      somebody who waits for an operation in his own frame: weft__op_begin, parked until
 *             complete() was called for the last time; then the frame is gone, and the next one
 *             begins
 *   canceler  whoever calls weft__op_cancel, at any time, for an operation in flight
 *   loop      weft__reactor_turn: weft__ops_flush_cancels, submission, and the reaping, which is
 *             weft__op_complete, weft__op_ends and weft__op_cancel_answered; ask_again
 *   kernel    takes requests in order, but may take its time over a cancel; it may not find what a
 *             cancel names, or miss it; only then does it answer
 *   device    ends what the kernel holds, in any order; an operation of several shots tells of
 *             each. Those of the last task end only when they are cancelled
 *
 * Reactor code runs on one thread, so each of its pieces is one step. user_data is a slot and its
 * generation. `round` tells one frame of a task from the next, which the code cannot: it is how the
 * model knows what the code must never mix up.
 *
 * What holds: the kernel writes only into frames that are there, those it was given; a completion
 * reaches the operation that was submitted, the last one once; a cancel hits only an operation it
 * was asked for; the list of cancels to be sent holds only operations in flight; everybody comes to
 * an end.
 *
 * run: holds
 * run: holds -DTASKS=1 -DROUNDS=4
 * run: holds -DSLOTS=1 -DOTHER_ROUNDS=2
 * run-long: holds -DOTHER_ROUNDS=2
 * run-long: holds -DSLOTS=1 -DROUNDS=3 -DOTHER_ROUNDS=2
 * run: rejected assertion -DNO_GENERATION
 * run: rejected deadlock -DEARLY_GENERATION
 * run: rejected assertion -DLEAVE_ON_ANSWER
 * run: rejected assertion -DLEAVE_ON_ASKING
 * run: rejected assertion -DLEAVE_ON_MORE
 * run: rejected assertion -DNO_UNLINK
 * run: rejected assertion -DASK_TWICE
 * run: rejected deadlock -DDROP_LATE_RESULTS
 * run: rejected deadlock -DNEVER_AGAIN
 * run: rejected assertion -DAGAIN_UNCHECKED
 */
#ifndef TASKS
#define TASKS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef OTHER_ROUNDS
#define OTHER_ROUNDS 1
#endif
#define NONE 255
#define REQUESTS 2 /* that the kernel may hold */

/* weft__op, in the frame of its task */
typedef op {
    bool there;     /* the frame is */
    bool in_flight; /* id != 0 */
    byte slot, generation;
    bool cancel_asked;
    byte queued; /* times on the list of cancels to be sent, or to be sent again; 1 at most */
    byte round;
    byte finals /* completions without MORE that were handed to this one */
};
op frame[TASKS];

/* weft__op_slot */
byte owner[SLOTS] = NONE;
byte generation[SLOTS];

typedef request {
    bool held;
    byte slot, generation, whose, round;
    bool cancelled
};
request kernel_has[REQUESTS];

mtype = { operation, cancel };
/* kind, slot, generation; task and round; of completions, MORE */
chan submission = [4] of { mtype, byte, byte, byte, byte };
chan slowly = [1] of { byte, byte, byte, byte }; /* cancels the kernel takes its time over */
chan completion = [3] of { mtype, byte, byte, bool };
byte tasks_left = TASKS;
byte shots = 1;  /* that are told of with MORE, in all */
byte misses = 1; /* cancels that do not find what is there */

#ifdef NO_GENERATION
#define GENERATION(slot) 0
#else
#define GENERATION(slot) generation[slot]
#endif

proctype task(byte me)
{
    byte slot;

    do
    :: frame[me].round < (me == 0 -> ROUNDS : OTHER_ROUNDS) ->
        atomic { /* weft__op_begin */
            if
            :: owner[0] == NONE -> slot = 0
#if SLOTS > 1
            :: owner[1] == NONE -> slot = 1
#endif
            fi;
            owner[slot] = me;
            frame[me].there = true;
            frame[me].in_flight = true;
            frame[me].cancel_asked = false;
            frame[me].queued = 0;
            frame[me].finals = 0;
            frame[me].slot = slot;
            frame[me].generation = GENERATION(slot);
            submission!operation(slot, GENERATION(slot), me, frame[me].round)
        };
        atomic { /* parked; woken by complete() */
            !frame[me].in_flight ->
            frame[me].there = false;
            frame[me].round++
        }
    :: else -> break
    od;
    tasks_left--
}

#ifdef ASK_TWICE
#define MAY_ASK frame[whom].queued < 2
#else
#define MAY_ASK !frame[whom].cancel_asked
#endif

/* weft__op_cancel */
proctype canceler(byte whom)
{
end:
    do
    :: atomic {
           frame[whom].in_flight && MAY_ASK ->
           frame[whom].cancel_asked = true;
           frame[whom].queued++;
           assert(frame[whom].queued == 1); /* one link, one place in the list */
#ifdef LEAVE_ON_ASKING
           frame[whom].in_flight = false
#endif
       }
    od
}

/* weft__op_ends */
inline op_ends(whom, which)
{
    owner[which] = NONE;
#ifndef EARLY_GENERATION
    generation[which]++;
#endif
    frame[whom].in_flight = false;
#ifndef NO_UNLINK
    frame[whom].queued = 0 /* weft__op_cancel_unlink */
#endif
}

#if TASKS > 1
#define CANCELS_QUEUED (frame[0].queued > 0 || frame[1].queued > 0)
#else
#define CANCELS_QUEUED (frame[0].queued > 0)
#endif

proctype loop()
{
    byte whom, slot, gen;
    bool more;

    do
    :: tasks_left > 0 && (nempty(completion) || CANCELS_QUEUED) ->
        /* weft__ops_flush_cancels: as far as there is room */
        whom = 0;
        do
        :: atomic {
               whom < TASKS && frame[whom].queued > 0 && nfull(submission) ->
               assert(frame[whom].there && frame[whom].in_flight); /* it still means this one */
               submission!cancel(frame[whom].slot, frame[whom].generation, whom, frame[whom].round);
               frame[whom].queued--;
#ifdef EARLY_GENERATION
               generation[frame[whom].slot]++;
#endif
               whom++
           }
        :: atomic { whom < TASKS -> whom++ }
        :: whom == TASKS -> break
        od;
        /* reap */
        do
        :: atomic {
               completion?operation(slot, gen, more) ->
               whom = owner[slot];
               if
               :: whom == NONE || GENERATION(slot) != gen -> skip /* unreachable: nobody's */
#ifdef DROP_LATE_RESULTS
               :: whom != NONE && GENERATION(slot) == gen && frame[whom].cancel_asked -> skip
               :: whom != NONE && GENERATION(slot) == gen && !frame[whom].cancel_asked ->
#else
               :: else ->
#endif
                   assert(frame[whom].there && frame[whom].in_flight);
                   if
#ifndef LEAVE_ON_MORE
                   :: more -> skip
#else
                   :: more -> op_ends(whom, slot)
#endif
                   :: !more ->
                       frame[whom].finals++;
                       assert(frame[whom].finals == 1);
                       op_ends(whom, slot)
                   fi
               fi;
               slot = 0;
               gen = 0;
               more = false;
               whom = TASKS
           }
        :: atomic {
               completion?cancel(slot, gen, more) ->
               whom = owner[slot];
               if
#if defined(LEAVE_ON_ANSWER)
               :: whom != NONE && GENERATION(slot) == gen -> op_ends(whom, slot)
#elif defined(AGAIN_UNCHECKED)
               :: whom != NONE -> /* whoever is in that slot now */
                   assert(frame[whom].cancel_asked);
                   frame[whom].queued = 1
#elif !defined(NEVER_AGAIN)
               :: whom != NONE && GENERATION(slot) == gen && frame[whom].queued == 0 ->
                   assert(frame[whom].cancel_asked);
                   frame[whom].queued = 1 /* after a while: ask_again */
#endif
               :: else
               fi;
               slot = 0;
               gen = 0;
               more = false;
               whom = TASKS
           }
        :: break
        od
    :: tasks_left == 0 -> break
    od;
    /* weft__reactor_close: nothing may be in flight */
    slot = 0;
    do
    :: slot < REQUESTS -> assert(!kernel_has[slot].held); slot++
    :: else -> break
    od
}

/* The kernel reads or writes the memory it was given. */
#define TOUCH(i)                                                                                   \
    assert(frame[kernel_has[i].whose].there &&                                                     \
           frame[kernel_has[i].whose].round == kernel_has[i].round)

#define MAY_HAPPEN(i)                                                                              \
    (kernel_has[i].cancelled || kernel_has[i].whose < TASKS - 1 || shots > 0)

proctype device(byte i)
{
end:
    do
    :: atomic {
           kernel_has[i].held && nfull(completion) && MAY_HAPPEN(i) ->
           TOUCH(i);
           if
           :: shots > 0 && !kernel_has[i].cancelled ->
               shots--;
               completion!operation(kernel_has[i].slot, kernel_has[i].generation, true)
           :: kernel_has[i].cancelled || kernel_has[i].whose < TASKS - 1 ->
               completion!operation(kernel_has[i].slot, kernel_has[i].generation, false);
               kernel_has[i].held = false;
               kernel_has[i].cancelled = false;
               kernel_has[i].slot = 0;
               kernel_has[i].generation = 0;
               kernel_has[i].whose = 0;
               kernel_has[i].round = 0
           fi
       }
    od
}

/* It looks for user_data among what it holds. */
inline carry_out()
{
    i = 0;
    do
    :: i < REQUESTS && !(kernel_has[i].held && kernel_has[i].slot == slot &&
                         kernel_has[i].generation == gen) -> i++
    :: else -> break
    od;
    if
    :: i < REQUESTS ->
        assert(kernel_has[i].whose == whom && kernel_has[i].round == round); /* who was asked for */
        if
        :: kernel_has[i].cancelled = true; /* success is not told */
#ifdef LEAVE_ON_ANSWER
            completion!cancel(slot, gen, false)
#endif
        :: misses > 0 -> misses--; completion!cancel(slot, gen, false) /* -EALREADY */
        fi
    :: else -> completion!cancel(slot, gen, false) /* -ENOENT */
    fi
}

proctype kernel()
{
    byte i, slot, gen, whom, round;
end:
    do
    :: atomic {
           submission?operation(slot, gen, whom, round) ->
           i = 0;
           do
           :: i < REQUESTS && kernel_has[i].held -> i++
           :: else -> break
           od;
           assert(i < REQUESTS);
           kernel_has[i].held = true;
           kernel_has[i].slot = slot;
           kernel_has[i].generation = gen;
           kernel_has[i].whose = whom;
           kernel_has[i].round = round;
           TOUCH(i);
           i = 0; slot = 0; gen = 0; whom = 0; round = 0
       }
    :: atomic {
           submission?cancel(slot, gen, whom, round) ->
           if
           :: carry_out()
           :: nfull(slowly) -> slowly!slot(gen, whom, round)
           fi;
           i = 0; slot = 0; gen = 0; whom = 0; round = 0
       }
    :: atomic {
           slowly?slot(gen, whom, round) ->
           carry_out();
           i = 0; slot = 0; gen = 0; whom = 0; round = 0
       }
    od
}

init {
    byte i;
    atomic {
        run loop();
        run kernel();
        do
        :: i < TASKS -> run task(i); run canceler(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < REQUESTS -> run device(i); i++
        :: else -> break
        od
    }
}
