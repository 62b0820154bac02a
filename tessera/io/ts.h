#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tessera/io/series_file.h"

namespace tessera::io {

/// Parses sktime's .ts format, in which the UEA, UCR and Monash archives publish their problems:
///
///     @problemName NAME   @univariate false   @dimensions C   @equalLength true   @seriesLength T
///     @classLabel true a b c      (or @targetLabel true)
///     @data
///     1,2,3:4,5,?:a               one series: channels between colons, then its label
///
/// Lines that begin with # or % are comments; directives are read in any case. Series may differ in
/// length unless @equalLength is true; the channels of one may not. Channels are counted in the
/// data and compared with @dimensions, @univariate where those are given. @missing is not believed.
/// Throws BadFile naming the line; Unsupported where values have time stamps.
SeriesFile parse_ts(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
