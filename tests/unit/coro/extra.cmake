# Contexts and exceptions again under valgrind, which must see each stack for what it is: any report
# fails the case it is in. Not with a sanitizer: the two do not go together.
if(NOT WEFT_SANITIZE)
    find_program(WEFT_VALGRIND valgrind)
    foreach(name context context_cxx)
        if(WEFT_VALGRIND)
            add_test(NAME unit/coro/${name}/valgrind
                COMMAND ${WEFT_VALGRIND} -q --error-exitcode=9 $<TARGET_FILE:unit.coro.${name}>)
        else()
            add_test(NAME unit/coro/${name}/valgrind
                COMMAND sh -c "echo 'install valgrind' >&2; exit 1")
        endif()
        set_tests_properties(unit/coro/${name}/valgrind PROPERTIES LABELS unit TIMEOUT 180)
    endforeach()
endif()

# Calls that the two answer in the kernel's place, or look at in passing.
target_link_options(unit.coro.refused PRIVATE -Wl,--wrap=mprotect,--wrap=madvise,--wrap=mincore
    -Wl,--wrap=sigaction,--wrap=sigaltstack,--wrap=open)
target_link_options(unit.coro.overflow PRIVATE -Wl,--wrap=sigaction,--wrap=raise,--wrap=write)
target_link_options(unit.coro.walk PRIVATE -Wl,--wrap=_dl_find_object) # which has tables of its own
