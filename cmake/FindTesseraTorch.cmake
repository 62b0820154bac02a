# Imports the torch that lies in a Python environment (or in TESSERA_TORCH_ROOT) as tessera::torch.
#
# Not through the wheel's own TorchConfig.cmake: that one fails where torch was built for CUDA but no
# CUDA toolkit is installed, which is the usual state of a user's machine.
#
# In:  TESSERA_TORCH_ROOT  folder with include/ and lib/ (".../site-packages/torch"), or
#      TESSERA_PYTHON      interpreter whose torch is asked for that folder (default: python3)
# Out: tessera::torch, TESSERA_TORCH_ROOT, TESSERA_TORCH_VERSION, TESSERA_TORCH_HAS_CUDA

if(TARGET tessera::torch)
  return()
endif()

set(TESSERA_PYTHON "python3" CACHE STRING "Python interpreter whose torch is used")
set(TESSERA_TORCH_ROOT "" CACHE PATH "The torch package's folder; empty asks TESSERA_PYTHON")

if(NOT TESSERA_TORCH_ROOT)
  # find_spec does not import torch, which would take seconds.
  execute_process(
    COMMAND ${TESSERA_PYTHON} -c
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR NOT found)
    message(FATAL_ERROR "No torch found by ${TESSERA_PYTHON}. Install one (pip install torch) or set "
                        "TESSERA_TORCH_ROOT to the folder of a torch package.")
  endif()
  set(TESSERA_TORCH_ROOT "${found}" CACHE PATH "The torch package's folder" FORCE)
endif()

set(TESSERA_TORCH_VERSION "unknown")
if(EXISTS "${TESSERA_TORCH_ROOT}/version.py")
  file(STRINGS "${TESSERA_TORCH_ROOT}/version.py" version_line REGEX "^__version__")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+[^'\"]*" TESSERA_TORCH_VERSION "${version_line}")
endif()
if(TESSERA_TORCH_VERSION VERSION_LESS 2.11 AND NOT TESSERA_TORCH_VERSION STREQUAL "unknown")
  message(FATAL_ERROR "Tessera needs torch 2.11 or newer, but ${TESSERA_TORCH_ROOT} is ${TESSERA_TORCH_VERSION}.")
endif()

add_library(tessera::torch INTERFACE IMPORTED GLOBAL)
target_include_directories(tessera::torch SYSTEM INTERFACE
  "${TESSERA_TORCH_ROOT}/include" "${TESSERA_TORCH_ROOT}/include/torch/csrc/api/include")
# What a library needs and the loader does not find.
function(tessera_missing_libraries library result)
  execute_process(COMMAND ldd "${library}" OUTPUT_VARIABLE needs ERROR_QUIET)
  string(REGEX MATCHALL "[^ \t\n]+ => not found" missing "${needs}")
  list(TRANSFORM missing REPLACE " => not found" "")
  string(JOIN ", " missing ${missing})
  set(${result} "${missing}" PARENT_SCOPE)
endfunction()

# Wheels up to 2.6 used the old string ABI; every supported one uses the new. libtorch.so itself is empty.
foreach(lib torch_cpu c10)
  if(NOT EXISTS "${TESSERA_TORCH_ROOT}/lib/lib${lib}.so")
    message(FATAL_ERROR "TESSERA_TORCH_ROOT is the folder of a torch package, but ${TESSERA_TORCH_ROOT} has no "
                        "lib/lib${lib}.so.")
  endif()
  target_link_libraries(tessera::torch INTERFACE "${TESSERA_TORCH_ROOT}/lib/lib${lib}.so")
endforeach()
tessera_missing_libraries("${TESSERA_TORCH_ROOT}/lib/libtorch_cpu.so" missing)
if(missing)
  string(REGEX REPLACE "\\+.*" "" version "${TESSERA_TORCH_VERSION}")
  message(FATAL_ERROR "The torch in ${TESSERA_TORCH_ROOT} does not load: it needs ${missing}. Install it with "
                      "its dependencies: pip install torch==${version}")
endif()
set(TESSERA_TORCH_HAS_CUDA OFF)
if(EXISTS "${TESSERA_TORCH_ROOT}/lib/libtorch_cuda.so")
  tessera_missing_libraries("${TESSERA_TORCH_ROOT}/lib/libtorch_cuda.so" missing)
  if(missing)
    message(STATUS "Without torch's CUDA part, which needs ${missing}")
  else()
    set(TESSERA_TORCH_HAS_CUDA ON)
    # --no-as-needed: nothing refers to libtorch_cuda by symbol; its registrations are what is wanted.
    target_link_libraries(tessera::torch INTERFACE
      "-Wl,--no-as-needed" "${TESSERA_TORCH_ROOT}/lib/libtorch_cuda.so"
      "${TESSERA_TORCH_ROOT}/lib/libc10_cuda.so" "-Wl,--as-needed")
  endif()
endif()
# The wheel's own OpenMP runtime: two of them in one process would each start a pool of threads.
file(GLOB gomp "${TESSERA_TORCH_ROOT}/lib/libgomp*.so*")
if(NOT gomp)
  file(GLOB gomp "${TESSERA_TORCH_ROOT}/../torch.libs/libgomp*.so*")
endif()
if(gomp)
  list(GET gomp 0 gomp)
  target_link_libraries(tessera::torch INTERFACE "${gomp}")
endif()
