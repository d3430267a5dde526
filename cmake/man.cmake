# The manual pages, where scdoc is found: made of the headers and of docs/man by tools/manpages. Nothing
# else needs them. The target `man` is part of what is built by default, since it is installed.
find_program(WEFT_SCDOC scdoc DOC "Makes the manual pages")
find_package(Python3 3.9 QUIET COMPONENTS Interpreter)

if(WEFT_SCDOC AND Python3_Interpreter_FOUND)
    file(GLOB weft_man_inputs CONFIGURE_DEPENDS
        include/weft/*.h docs/man/*.scd tools/lib/weft_man/*.py tools/manpages)
    set(weft_man ${PROJECT_BINARY_DIR}/man)
    add_custom_command(OUTPUT ${weft_man}/made
        COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/manpages --scdoc ${WEFT_SCDOC} ${weft_man}
        COMMAND ${CMAKE_COMMAND} -E touch ${weft_man}/made
        DEPENDS ${weft_man_inputs}
        COMMENT "Making the manual pages" VERBATIM)
    add_custom_target(man ALL DEPENDS ${weft_man}/made)
    if(WEFT_INSTALL) # OPTIONAL: not there when only other targets were built
        install(DIRECTORY ${weft_man}/man3 ${weft_man}/man7 DESTINATION ${CMAKE_INSTALL_MANDIR} OPTIONAL)
    endif()
endif()
