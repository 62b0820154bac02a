# What every target of ours is compiled with, and the functions that add kernels and tests.

find_program(TESSERA_CCACHE ccache)
if(TESSERA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # A precompiled header defeats the cache unless it may trust its macros and time stamps.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${TESSERA_CCACHE})
endif()

add_library(tessera_options INTERFACE)
# -fopenmp when compiling only: at::parallel_for is silently serial without it, and the runtime that
# is linked is torch's own.
# The last four: gcc 12 warns of designated initialisers that leave members at their defaults, and of
# std::string concatenation (its bugs 105329 and 105651).
target_compile_options(tessera_options INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-stringop-overflow -Wno-restrict
  -Wno-array-bounds -fopenmp -fno-math-errno $<$<BOOL:${TESSERA_CCACHE}>:-fpch-preprocess>)
if(TESSERA_SANITIZE)
  target_compile_options(tessera_options INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tessera_options INTERFACE -fsanitize=address,undefined)
endif()
target_link_options(tessera_options INTERFACE -Wl,--disable-new-dtags)

# Sources that know nothing of torch compile in a second without the precompiled header, which takes
# longer than that to load.
function(tessera_skip_precompiled)
  set(sources ${ARGN})
  list(FILTER sources INCLUDE REGEX
       "/io/[a-z0-9_]*\\.cpp$|/core/(config|document|error|fmt|paths|text)(_test)?\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/io/tensor_file")
  set_source_files_properties(${sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# A build from nothing takes several files of a folder at a time: the headers of torch and what they
# instantiate cost most files more than their own lines. What is local to a file needs a name of its own
# in its folder then. The operators stay apart: each is a large file already, and their names repeat.
function(tessera_unite target)
  if(NOT TESSERA_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_source_file_property(is_apart "${source}" SKIP_PRECOMPILE_HEADERS)
    if(is_apart OR source MATCHES "/ops/|/core/fmt|/systems/[a-z_]*_test" OR source MATCHES "TARGET_OBJECTS")
      set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()

# Lets an executable use the library's precompiled header, which gcc takes only under the same macros
# and the same -fPIC (not -fPIE).
function(tessera_share_precompiled target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_compile_definitions(${target} PRIVATE ${TESSERA_DEFINITIONS} tessera_lib_EXPORTS)
  target_compile_definitions(${target} PRIVATE
    TESSERA_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}"
    TESSERA_PYTHON="${TESSERA_PYTHON}" TESSERA_TORCH_VERSION="${TESSERA_TORCH_VERSION}")
  target_precompile_headers(${target} REUSE_FROM tessera_lib)
endfunction()

# Each ops/cpu/*_kernel.cpp is compiled once per instruction set; the dispatcher beside it chooses at
# run time. These files see no precompiled header: inline code of ATen compiled for AVX-512 could win
# at link time and crash an AVX2 machine.
function(tessera_add_kernels target)
  set(flags_AVX512 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma -mf16c)
  set(flags_AVX2 -mavx2 -mfma -mf16c)
  set(flags_DEFAULT)
  file(GLOB kernels CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tessera/ops/cpu/*_kernel.cpp")
  if(NOT kernels)
    return()
  endif()
  foreach(capability AVX512 AVX2 DEFAULT)
    set(objects "tessera_kernels_${capability}")
    add_library(${objects} OBJECT ${kernels})
    # gcc 12 takes the undefined lanes inside its own AVX-512 intrinsics for a mistake of ours.
    target_compile_options(${objects} PRIVATE ${flags_${capability}}
      $<IF:$<BOOL:${TESSERA_SANITIZE}>,-O1,-O3> -Wno-uninitialized
      -Wno-maybe-uninitialized -DCPU_CAPABILITY=${capability}
      -DCPU_CAPABILITY_${capability} -ffp-contract=fast)
    target_include_directories(${objects} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${objects} PRIVATE tessera_options tessera::torch)
    set_target_properties(${objects} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()

function(tessera_add_cuda target)
  if(NOT TESSERA_CUDA)
    return()
  endif()
  if(NOT TESSERA_TORCH_HAS_CUDA)
    message(FATAL_ERROR "TESSERA_CUDA is ON, but the torch in ${TESSERA_TORCH_ROOT} has no CUDA. "
                        "Use a CUDA build of torch, or set TESSERA_CUDA=OFF.")
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90 PARENT_SCOPE)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  file(GLOB_RECURSE kernels CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tessera/ops/cuda/*.cu")
  file(GLOB_RECURSE glue CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tessera/ops/cuda/*.cpp")
  # The kernels include no torch header, so that nvcc alone can check them anywhere.
  add_library(tessera_kernels_cuda OBJECT ${kernels})
  target_include_directories(tessera_kernels_cuda PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  set_target_properties(tessera_kernels_cuda PROPERTIES CUDA_STANDARD 17 POSITION_INDEPENDENT_CODE ON)
  # The problem's constexpr members serve host and device.
  target_compile_options(tessera_kernels_cuda PRIVATE --expt-relaxed-constexpr)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:tessera_kernels_cuda> ${glue})
  target_link_libraries(${target} PRIVATE CUDA::cudart)
endfunction()

function(tessera_add_test name)
  if(NOT ARGN)
    return()
  endif()
  add_executable(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE tessera_lib tessera_options GTest::gtest GTest::gtest_main
    ZLIB::ZLIB PNG::PNG JPEG::JPEG Threads::Threads)
  tessera_share_precompiled(${name})
  tessera_unite(${name})
  add_test(NAME ${name} COMMAND ${name})
endfunction()
