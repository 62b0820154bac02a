# The plotting library of report.html: the bundle of Plotly with curves and 3D scenes (MIT), which is
# a third of the whole. Without it the report keeps its own drawings and loses turning and zooming.
include(NpmPackage)
tessera_npm_package(TESSERA_HAS_PLOT
  NAME plotly.js-gl3d-dist-min
  VERSION 4.1.1
  SHA512 1cd7613a2fe656bdbdbba05bcc9bf3d640231330b1c1f69934b8a98cd0b1837dc913746644784f0d47742c2b903037114792cb1457da48c31db4e5a5d1b11164
  DESTINATION "${CMAKE_CURRENT_BINARY_DIR}/share/plot"
  FILES plotly-gl3d.min.js=plotly.min.js LICENSE=LICENSE)
