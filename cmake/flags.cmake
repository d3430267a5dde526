# Compiler and linker flags, on interface targets so that a project that takes weft in by
# add_subdirectory keeps its own flags.
#
#   weft_flags            what every one of our translation units gets (library, tests, benches)
#   weft_library_flags    what the library gets on top: hardening and hidden names
include(CheckCCompilerFlag)

add_library(weft_flags INTERFACE)
add_library(weft_library_flags INTERFACE)

set(weft_debug_like "$<CONFIG:Debug>")
set(weft_release_like "$<NOT:$<CONFIG:Debug>>")

# Empty, as a file's own `#define _GNU_SOURCE` makes it, so that the two agree; C++ compilers have it.
target_compile_definitions(weft_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C,ASM>:_GNU_SOURCE=>
    $<${weft_debug_like}:WEFT_DEBUG=1>)
# -O2 comes after CMake's own -O3 of Release, so it is the one that holds.
target_compile_options(weft_flags INTERFACE
    -g
    $<${weft_release_like}:-O2>
    -Wall -Wextra -Wshadow -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    # A struct that ends in an array of no length, inside another: GNU C, and how the kernel's are used.
    $<$<C_COMPILER_ID:Clang>:-Wno-gnu-variable-sized-type-not-at-end>
    $<$<BOOL:${WEFT_WERROR}>:-Werror>
    $<${weft_debug_like}:-fno-omit-frame-pointer>)

if(WEFT_SANITIZE STREQUAL "address")
    set(weft_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(WEFT_SANITIZE STREQUAL "thread")
    set(weft_sanitizers -fsanitize=thread)
elseif(WEFT_SANITIZE)
    message(FATAL_ERROR "WEFT_SANITIZE is '${WEFT_SANITIZE}': only address and thread are known")
endif()
# What is executed is counted line by line as it is written, so nothing is optimised; and by every
# thread, so the counters are atomic. Only the layers above the ring are counted (src/CMakeLists.txt).
add_library(weft_coverage_flags INTERFACE)
if(WEFT_COVERAGE)
    target_compile_options(weft_coverage_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:--coverage> -O0 -fprofile-update=atomic)
    # What is inlined at all costs would count once for every place it is used at.
    target_compile_definitions(weft_coverage_flags INTERFACE always_inline=unused)
    # Tests write the counts of a process that is about to die: test_save_coverage.
    set(weft_coverage_link --coverage -Wl,-u,__gcov_dump -Wl,-u,__gcov_reset)
endif()
if(WEFT_SANITIZE)
    # -O1: the sanitizers' own advice, and the suites end in half the time of -O0.
    target_compile_options(weft_flags INTERFACE ${weft_sanitizers} -O1 -fno-omit-frame-pointer)
    target_link_options(weft_flags INTERFACE ${weft_sanitizers})
elseif(NOT WEFT_COVERAGE)
    # _FORTIFY_SOURCE needs an optimised build, and its wrappers hide calls from the sanitizers.
    # Undefined first: some compilers define it by themselves, and a second value would be an error.
    target_compile_options(weft_library_flags INTERFACE
        $<${weft_release_like}:-U_FORTIFY_SOURCE> $<${weft_release_like}:-D_FORTIFY_SOURCE=2>)
endif()

target_compile_options(weft_library_flags INTERFACE -fvisibility=hidden -fno-plt)
check_c_compiler_flag(-fstack-clash-protection weft_has_stack_clash)
if(weft_has_stack_clash)
    target_compile_options(weft_library_flags INTERFACE
        $<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection>)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    set(weft_arch x86_64)
    target_compile_options(weft_library_flags INTERFACE -fcf-protection=branch)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(weft_arch aarch64)
    target_compile_options(weft_library_flags INTERFACE -mbranch-protection=standard)
else()
    message(FATAL_ERROR "weft has a context switch for x86_64 and aarch64, not for ${CMAKE_SYSTEM_PROCESSOR}")
endif()

# What puts its functions on our stacks is to meet their guards, however large its frames (decision 112):
# the flag for a consumer's compiler, which need not be ours.
if(weft_arch STREQUAL "aarch64")
    set(weft_clang_min 18)
else()
    set(weft_clang_min 11)
endif()
set(weft_consumer_flags "")
foreach(language C CXX)
    set(version $<${language}_COMPILER_VERSION>)
    list(APPEND weft_consumer_flags
        $<$<AND:$<COMPILE_LANG_AND_ID:${language},GNU>,$<VERSION_GREATER_EQUAL:${version},8>>:-fstack-clash-protection>
        $<$<AND:$<COMPILE_LANG_AND_ID:${language},Clang>,$<VERSION_GREATER_EQUAL:${version},${weft_clang_min}>>:-fstack-clash-protection>)
endforeach()

set(weft_link_hardening -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
