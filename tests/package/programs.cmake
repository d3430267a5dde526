# The four programs of a consumer, from weft::weft and weft::static, wherever those came from.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
foreach(language c cc)
    foreach(library weft static)
        set(name ${language}_${library})
        add_executable(${name} ${CMAKE_CURRENT_LIST_DIR}/main.${language})
        set_target_properties(${name} PROPERTIES
            C_STANDARD 11 C_EXTENSIONS OFF CXX_STANDARD 17 CXX_EXTENSIONS OFF)
        target_compile_options(${name} PRIVATE -Wall -Wextra -pedantic -Werror)
        target_link_libraries(${name} PRIVATE weft::${library})
    endforeach()
endforeach()
