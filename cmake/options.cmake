set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)   # statement expressions register drop places
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION_DEBUG OFF)

# One set of objects serves the command, the tests and libglass-packetdrill.so. Nothing in it can be replaced from outside,
# so that code for a shared object is no slower.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

set(GLASS_SANITIZE "" CACHE STRING "sanitizers to build with, e.g. address,undefined")
option(GLASS_STRICT_SKB "abort when an skb handle goes out of scope without an end" OFF)

# A packet passes some sixty small functions in a dozen files, so inlining across files is worth a tenth of its time. Objects carry both
# forms: the command and the benchmark are linked from the one, tests quickly from the other (glass_link_fast).
option(GLASS_LTO "optimise the command and the benchmark across files" OFF)

file(RELATIVE_PATH GLASS_SOURCE_FROM_BINARY ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
string(REGEX REPLACE "/$" "" GLASS_SOURCE_FROM_BINARY "${GLASS_SOURCE_FROM_BINARY}")
add_compile_options(-Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -fno-strict-aliasing
  -Wno-invalid-offsetof   # owners are found from an embedded timer by its offset, as in Linux
  "-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/="     # places name files of the tree, not of the machine
  "-fmacro-prefix-map=${GLASS_SOURCE_FROM_BINARY}/=")   # nor the way to it, as ccache with a base directory says it
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wno-deprecated-declarations)   # inside libstdc++'s own stable_sort
endif()
if(GLASS_SANITIZE)
  add_compile_options(-fsanitize=${GLASS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GLASS_SANITIZE})
endif()
if(GLASS_STRICT_SKB)
  add_compile_definitions(GLASS_STRICT_SKB=1)
endif()
