# The journal of the simulator stands in for the store's where a world asks for it, and its disk for
# the machine's: see tests/sim/journal.c and disk.c. For every program that has a world.
function(oh_sim_journal target)
    foreach(name append pending commit)
        target_link_options(${target} PRIVATE -Wl,--wrap=oh__journal_${name})
    endforeach()
    foreach(name pwrite fdatasync fsync posix_fallocate renameat unlinkat)
        target_link_options(${target} PRIVATE -Wl,--wrap=${name})
    endforeach()
endfunction()
