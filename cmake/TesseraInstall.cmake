# `cmake --install`: headers, library, binary, recipes, and the package that find_package(Tessera) reads.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(TESSERA_ONLY_FOUNDATION)
  return()
endif()

install(TARGETS tessera_lib EXPORT TesseraTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET tessera)
  set_target_properties(tessera PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${TESSERA_TORCH_ROOT}/lib")
  install(TARGETS tessera RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
set_target_properties(tessera_lib PROPERTIES INSTALL_RPATH "$ORIGIN;${TESSERA_TORCH_ROOT}/lib")
install(DIRECTORY tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h"
        PATTERN "*_test.h" EXCLUDE)
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/tessera)
install(DIRECTORY share DESTINATION ${CMAKE_INSTALL_DATADIR}/tessera)
install(DIRECTORY python DESTINATION ${CMAKE_INSTALL_DATADIR}/tessera
        PATTERN "tests" EXCLUDE PATTERN "__pycache__" EXCLUDE)
install(DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/share" DESTINATION ${CMAKE_INSTALL_DATADIR}/tessera
        OPTIONAL)
install(EXPORT TesseraTargets NAMESPACE Tessera:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
configure_package_config_file(cmake/TesseraConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/TesseraConfig.cmake"
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/TesseraConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/TesseraConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/TesseraConfigVersion.cmake" cmake/FindTesseraTorch.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
