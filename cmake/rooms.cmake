# glass_room(NAME [SOURCES ...] [TESTS ...] [LIBS ...])
#   A folder of src/: its sources become the object library glass_NAME, gathered into the static library `glass`;
#   its tests (x_test.cc beside x.cc) become one GoogleTest program NAME_test, registered with CTest.
add_library(glass STATIC)
add_library(glass_headers INTERFACE)
target_include_directories(glass_headers INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_include_directories(glass PUBLIC ${CMAKE_SOURCE_DIR}/src)
set_target_properties(glass PROPERTIES LINKER_LANGUAGE CXX)

# Drop places and probes are found through linker sections: every object has to be linked, used or not.
add_library(glass_whole INTERFACE)
target_link_libraries(glass_whole INTERFACE "$<LINK_LIBRARY:WHOLE_ARCHIVE,glass>")

# How a program is linked where the tree is built with GLASS_LTO: for speed of the program, or of the link.
function(glass_link_optimised target)
  if(GLASS_LTO)
    target_link_options(${target} PRIVATE -flto=auto -O2)
  endif()
endfunction()
function(glass_link_fast target)
  if(GLASS_LTO)
    target_link_options(${target} PRIVATE -fno-lto -fno-use-linker-plugin)
  endif()
endfunction()

function(glass_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;TESTS;LIBS" ${ARGN})
  if(ROOM_SOURCES)
    add_library(glass_${name} OBJECT ${ROOM_SOURCES})
    target_link_libraries(glass_${name} PUBLIC glass_headers ${ROOM_LIBS})
    if(GLASS_LTO AND NOT name MATCHES "async|runtime|sim|view")   # no packet passes those
      target_compile_options(glass_${name} PRIVATE -flto=auto -ffat-lto-objects)
    endif()
    target_sources(glass PRIVATE $<TARGET_OBJECTS:glass_${name}>)
    target_link_libraries(glass PUBLIC ${ROOM_LIBS})
  endif()
  if(ROOM_TESTS)
    glass_test(${name}_test SOURCES ${ROOM_TESTS})
  endif()
endfunction()

# glass_test(NAME SOURCES ... [LIBS ...]): a GoogleTest program over the whole library.
function(glass_test name)
  cmake_parse_arguments(T "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    target_compile_options(${name} PRIVATE -O0)   # the library under test is optimised; the test itself only has to build quickly
  endif()
  glass_link_fast(${name})
  target_link_libraries(${name} PRIVATE glass_whole GTest::gtest GTest::gtest_main fmt::fmt ${T_LIBS})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
enable_testing()
