/*
 * aarch64/switch.S: the context switch for 64-bit Arm, AAPCS64.
 *
 * The frame a switched-away context leaves at its stack pointer:
 *
 *      offset  size  what
 *        0     2x8   d8  d9
 *       16     2x8   d10 d11
 *       32     2x8   d12 d13
 *       48     2x8   d14 d15
 *       64     2x8   x19 x20     (first frame: the entry function, its argument)
 *       80     2x8   x21 x22
 *       96     2x8   x23 x24
 *      112     2x8   x25 x26
 *      128     2x8   x27 x28
 *      144     2x8   x29 x30     (first frame: 0, the end of the frame chain; the trampoline)
 *      160       8   FPCR
 *      168       8   unused
 *      176           the caller's stack, as before its call
 *
 * "Procedure Call Standard for the Arm 64-bit Architecture", 6.1.1: x19 to x29 and sp are the
 * callee's to keep, x30 is where it returns to, sp is 16-aligned whenever it is used. 6.1.2: the
 * low halves of v8 to v15 are the callee's to keep, FPSR is not, the control bits of FPCR are to
 * stay as they are. x18 is the platform's and not touched.
 *
 * It ends in `ret`, though the predictor will expect the place of the last bl: an indirect branch
 * would need `bti j` at the place after a bl, where compilers put none, and fault under branch
 * target identification; `ret` is exempt. Where all contexts are left from one place, as when
 * every task parks in one function, the prediction is right.
 *
 * Pointer authentication: x30 is stored unsigned, always, by all three functions here. Signing it
 * would bind it to sp, which is what an attacker who can write to a parked frame also chooses when
 * he writes the saved sp; and the first frame would have to be signed by prepare in step. Callers
 * compiled with -mbranch-protection=pac-ret sign and check their own copies, which this leaves be.
 * So the note claims BTI, and not PAC.
 */

#define FRAME_D8 0
#define FRAME_D10 16
#define FRAME_D12 32
#define FRAME_D14 48
#define FRAME_X19 64
#define FRAME_X21 80
#define FRAME_X23 96
#define FRAME_X25 112
#define FRAME_X27 128
#define FRAME_X29 144
#define FRAME_X30 152
#define FRAME_FPCR 160
#define FRAME_SIZE 176

/* hint 34: understood as nothing where there is no BTI. */
#define BTI_C hint #34

        .text

/* void weft__arch_switch(void **save [x0], void *to [x1]) */
        .globl  weft__arch_switch
        .hidden weft__arch_switch
        .type   weft__arch_switch, %function
        .p2align 6
weft__arch_switch:
        .cfi_startproc
        BTI_C
        sub     sp, sp, #FRAME_SIZE
        .cfi_def_cfa_offset FRAME_SIZE
        mrs     x9, fpcr
        stp     x29, x30, [sp, #FRAME_X29]
        .cfi_rel_offset x29, FRAME_X29
        .cfi_rel_offset x30, FRAME_X30
        stp     x19, x20, [sp, #FRAME_X19]
        .cfi_rel_offset x19, FRAME_X19
        .cfi_rel_offset x20, FRAME_X19 + 8
        stp     x21, x22, [sp, #FRAME_X21]
        .cfi_rel_offset x21, FRAME_X21
        .cfi_rel_offset x22, FRAME_X21 + 8
        stp     x23, x24, [sp, #FRAME_X23]
        .cfi_rel_offset x23, FRAME_X23
        .cfi_rel_offset x24, FRAME_X23 + 8
        stp     x25, x26, [sp, #FRAME_X25]
        .cfi_rel_offset x25, FRAME_X25
        .cfi_rel_offset x26, FRAME_X25 + 8
        stp     x27, x28, [sp, #FRAME_X27]
        .cfi_rel_offset x27, FRAME_X27
        .cfi_rel_offset x28, FRAME_X27 + 8
        stp     d8, d9, [sp, #FRAME_D8]
        .cfi_rel_offset d8, FRAME_D8
        .cfi_rel_offset d9, FRAME_D8 + 8
        stp     d10, d11, [sp, #FRAME_D10]
        .cfi_rel_offset d10, FRAME_D10
        .cfi_rel_offset d11, FRAME_D10 + 8
        stp     d12, d13, [sp, #FRAME_D12]
        .cfi_rel_offset d12, FRAME_D12
        .cfi_rel_offset d13, FRAME_D12 + 8
        stp     d14, d15, [sp, #FRAME_D14]
        .cfi_rel_offset d14, FRAME_D14
        .cfi_rel_offset d15, FRAME_D14 + 8
        str     x9, [sp, #FRAME_FPCR]

        /* The other stack holds a frame of the same shape at its top, so the rules above go on
         * being true, and from the next instruction but one on describe the one switched to. */
        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1

.Larrive:
        /* Writing FPCR waits for the pipeline to empty; comparing does not. */
        ldr     x10, [sp, #FRAME_FPCR]
        cmp     x9, x10
        b.eq    .Lcontrol_same
        msr     fpcr, x10
.Lcontrol_same:
        ldp     d14, d15, [sp, #FRAME_D14]
        .cfi_restore d14
        .cfi_restore d15
        ldp     d12, d13, [sp, #FRAME_D12]
        .cfi_restore d12
        .cfi_restore d13
        ldp     d10, d11, [sp, #FRAME_D10]
        .cfi_restore d10
        .cfi_restore d11
        ldp     d8, d9, [sp, #FRAME_D8]
        .cfi_restore d8
        .cfi_restore d9
        ldp     x27, x28, [sp, #FRAME_X27]
        .cfi_restore x27
        .cfi_restore x28
        ldp     x25, x26, [sp, #FRAME_X25]
        .cfi_restore x25
        .cfi_restore x26
        ldp     x23, x24, [sp, #FRAME_X23]
        .cfi_restore x23
        .cfi_restore x24
        ldp     x21, x22, [sp, #FRAME_X21]
        .cfi_restore x21
        .cfi_restore x22
        ldp     x19, x20, [sp, #FRAME_X19]
        .cfi_restore x19
        .cfi_restore x20
        ldp     x29, x30, [sp, #FRAME_X29]
        .cfi_restore x29
        .cfi_restore x30
        add     sp, sp, #FRAME_SIZE
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   weft__arch_switch, . - weft__arch_switch

/*
 * Where the first switch to a context arrives: x19 the entry function, x20 its argument. The
 * unwinder stops here, since the return address is declared unknown. It looks up the address
 * before the one it returns to, hence the nop.
 */
        .type   trampoline, %function
        .p2align 4
trampoline:
        .cfi_startproc
        .cfi_undefined x30
        nop
.Ltrampoline_entry:
        BTI_C
        mov     x0, x20
        blr     x19
        /* The entry came back: the context at x0 goes on. */
        mrs     x9, fpcr
        ldr     x1, [x0]
        mov     sp, x1
        b       .Larrive
        .cfi_endproc
        .size   trampoline, . - trampoline

/* void *weft__arch_prepare(void *top [x0], void (*entry)(void *) [x1], void *arg [x2]) */
        .globl  weft__arch_prepare
        .hidden weft__arch_prepare
        .type   weft__arch_prepare, %function
        .p2align 4
weft__arch_prepare:
        .cfi_startproc
        BTI_C
        sub     x0, x0, #FRAME_SIZE
        adrp    x9, .Ltrampoline_entry
        add     x9, x9, :lo12:.Ltrampoline_entry
        mrs     x10, fpcr
        stp     xzr, xzr, [x0, #FRAME_D8]
        stp     xzr, xzr, [x0, #FRAME_D10]
        stp     xzr, xzr, [x0, #FRAME_D12]
        stp     xzr, xzr, [x0, #FRAME_D14]
        stp     x1, x2, [x0, #FRAME_X19]
        stp     xzr, xzr, [x0, #FRAME_X21]
        stp     xzr, xzr, [x0, #FRAME_X23]
        stp     xzr, xzr, [x0, #FRAME_X25]
        stp     xzr, xzr, [x0, #FRAME_X27]
        stp     xzr, x9, [x0, #FRAME_X29]
        str     x10, [x0, #FRAME_FPCR]
        ret
        .cfi_endproc
        .size   weft__arch_prepare, . - weft__arch_prepare

#include "arch/aarch64/notes.inc"
