# llmops_embed(NAME OUTPUT file ROOTS dir...): writes a C++ file with every regular file below the roots as a string,
# found at run time through core/base/embedded.h by its path ("schemas/chain.json").
function(llmops_embed NAME)
  cmake_parse_arguments(ARG "" "OUTPUT" "ROOTS" ${ARGN})
  set(all)
  foreach(root ${ARG_ROOTS})
    file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${root}/*)
    list(FILTER found EXCLUDE REGEX "(^|/)(\\.llmops|__pycache__|expected)/")
    list(APPEND all ${found})
  endforeach()
  list(SORT all)
  set(absolute)
  foreach(f ${all})
    list(APPEND absolute ${CMAKE_SOURCE_DIR}/${f})
  endforeach()
  string(REPLACE ";" "\n" listing "${all}")
  file(CONFIGURE OUTPUT ${ARG_OUTPUT}.list CONTENT "${listing}\n" @ONLY)
  add_custom_command(OUTPUT ${ARG_OUTPUT}
    COMMAND ${CMAKE_COMMAND} -DLIST=${ARG_OUTPUT}.list -DROOT=${CMAKE_SOURCE_DIR} -DOUT=${ARG_OUTPUT}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    DEPENDS ${absolute} ${ARG_OUTPUT}.list ${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake
    VERBATIM)
endfunction()
