#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tessera/io/series_file.h"

namespace tessera::io {

/// Parses Weka's ARFF as the UEA and UCR archives use it for series. One channel, a numeric
/// attribute a step:
///
///     @relation NAME                      @attribute att0 numeric   …   @attribute y {a,b}
///     @data
///     1,2,3,a
///
/// or several, a relational attribute whose rows are the channels:
///
///     @attribute bag relational           @attribute att0 numeric   …   @end bag
///     @attribute y {a,b}
///     @data
///     '1,2,3\n4,5,?',a
///
/// The last attribute is the label: nominal (a class) or numeric (a target). Keywords are read in
/// any case, names and classes may be quoted, ? is a missing value. Series have all the same
/// length. Throws BadFile naming the line; Unsupported for strings, dates, sparse rows and weights.
SeriesFile parse_arff(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
