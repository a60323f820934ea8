# oh_layer(NAME [GNU] [DIRECTORY dir] [ONLY glob] [EXCEPT glob]
#          [LINKS targets...] [PRIVATE_LINKS targets...])
#
# Makes the static library oh_NAME of src/<dir>/*.c (dir is NAME unless given), or an empty
# interface library when there is no source yet. GNU allows gnu11 instead of C11. ONLY and
# EXCEPT choose among the files by base name, without ".c". LINKS are other layers, visible to
# users of this one; PRIVATE_LINKS are outside libraries, whose headers stay hidden from users.
function(oh_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "GNU" "DIRECTORY;ONLY;EXCEPT" "LINKS;PRIVATE_LINKS")
    if(NOT arg_DIRECTORY)
        set(arg_DIRECTORY ${name})
    endif()
    if(NOT arg_ONLY)
        set(arg_ONLY "*")
    endif()
    set(root ${PROJECT_SOURCE_DIR}/src/${arg_DIRECTORY})
    file(GLOB sources CONFIGURE_DEPENDS ${root}/${arg_ONLY}.c)
    if(arg_EXCEPT)
        file(GLOB unwanted CONFIGURE_DEPENDS ${root}/${arg_EXCEPT}.c)
        list(REMOVE_ITEM sources ${unwanted} "")
    endif()

    if(sources)
        add_library(oh_${name} STATIC ${sources})
        set_target_properties(oh_${name} PROPERTIES
            C_EXTENSIONS ${arg_GNU}
            # Compile one layer without waiting for the ones it links with.
            OPTIMIZE_DEPENDENCIES ON)
        target_link_libraries(oh_${name} PUBLIC ${arg_LINKS} PRIVATE ${arg_PRIVATE_LINKS})
        target_include_directories(oh_${name} PUBLIC
            ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    else()
        add_library(oh_${name} INTERFACE)
        target_link_libraries(oh_${name} INTERFACE ${arg_LINKS})
        target_include_directories(oh_${name} INTERFACE
            ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    endif()
endfunction()
