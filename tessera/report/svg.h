#pragma once

#include <string>

#include "tessera/core/json.h"

namespace tessera::report {

/// Draws the `plot` of a Figure (systems/claim.h) as one <svg> element, without any script: what
/// the page shows where the plotting library is missing or a browser cannot run it, and what it
/// prints. Colours and fonts are classes ("c0" … "c7", "axis", "grid") that the page's style sheet
/// defines, so a picture follows the light or dark scheme.
///
/// What each kind reads of a series, beside "name" and "color" (0 … 7, else its place in the list):
///   lines    x, y; "dash", "markers", "error" (half the height of a bar around y)
///   scatter  x, y, "error": lines with markers only
///   bars     x (words), y, "error"; several series stand side by side
///   lines3d  x, y, z; "dash", or "markers" for points instead of a line; series of one "group"
///            share a panel of that title
///   heatmap  z: rows of numbers in [0, 1]; each series is a panel titled by its name
/// A null among the coordinates is a gap. Points that a logarithmic axis cannot show are left out.
/// Throws InvalidArgument on an unknown kind.
std::string svg(const Json& plot);

}  // namespace tessera::report
