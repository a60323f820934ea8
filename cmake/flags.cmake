# Compiler settings shared by every target.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")

add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wpointer-arith -Wvla -fno-common)
if(OH_WERROR)
    add_compile_options(-Werror)
endif()

# The version is one line of the file VERSION; programs see it as OH_VERSION_TEXT.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS VERSION)
add_compile_definitions(OH_VERSION_TEXT="${PROJECT_VERSION}")

# Fuzzers need the sanitizers, and to see which branches an input takes.
if(OH_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "OH_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
    endif()
    set(OH_SANITIZE ON)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# A report needs functions and lines; the rest of -g is a third of the time that compiling takes.
if(OH_SANITIZE OR OH_TSAN)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g1")
endif()
if(OH_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    # gcc's flow warnings misfire on instrumented code; the other builds keep them.
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-maybe-uninitialized)
    endif()
    add_link_options(-fsanitize=address,undefined)
elseif(OH_TSAN)
    add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
    add_link_options(-fsanitize=thread)
else()
    add_compile_options(-fstack-protector-strong)
    if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
        add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
    add_link_options(-Wl,-z,relro,-z,now)
endif()
if(OH_COVERAGE)
    # Workers and test programs write the same counters: they must be counted one by one.
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()
add_link_options(-Wl,--as-needed)
