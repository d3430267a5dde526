# Stands before the kernel, which seldom takes less than all.
target_link_options(unit.ring.enter PRIVATE -Wl,--wrap=io_uring_enter2)
# The kernel's listeners let through what the test wants.
target_link_options(unit.ring.zero_copy PRIVATE -Wl,--wrap=listen)
