# cmake --install: headers, the libraries, a pkg-config file for each and the CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
set(weft_installed weft weft_static weft_sim weft_names)
if(TARGET weft_tls)
    list(APPEND weft_installed weft_tls)
endif()
install(TARGETS ${weft_installed} EXPORT weft-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The exported names are weft::weft, weft::static, weft::sim, weft::names and, where there is OpenSSL,
# weft::tls, the same as the aliases of the build tree.
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
configure_package_config_file(cmake/weft-config.cmake.in ${PROJECT_BINARY_DIR}/weft-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weft-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weft-config.cmake ${PROJECT_BINARY_DIR}/weft-config-version.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

# From the folder of weft.pc up to the prefix, however deep this system's library folder is.
file(RELATIVE_PATH weft_pc_up ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(weft_pc_flags "")
if(weft_has_stack_clash) # as the compiler says that is likely to be the consumer's, too
    set(weft_pc_flags " -fstack-clash-protection")
endif()
configure_file(cmake/weft.pc.in ${PROJECT_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

function(weft_pc_beside weft_pc_name weft_pc_description weft_pc_requires)
    configure_file(cmake/weft-beside.pc.in ${PROJECT_BINARY_DIR}/${weft_pc_name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${weft_pc_name}.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

if(weft_cares)
    weft_pc_beside(weft-names "Names of hosts for weft" "weft, libcares")
else()
    weft_pc_beside(weft-names "Names of hosts for weft" "weft")
endif()
if(TARGET weft_tls)
    weft_pc_beside(weft-tls "TLS over weft's streams" "weft, openssl")
endif()
