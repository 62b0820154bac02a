#pragma once

#include <span>
#include <string>

#include "tessera/report/html.h"
#include "tessera/report/results.h"

namespace tessera::report {

/// What the page says of the whole reproduction.
struct ReportInfo {
  Scale scale = Scale::kQuick;
  std::string date;  ///< "2021-07-18"
  double seconds = 0;
  bool complete = true;  ///< false while claims are still to come
  Json environment;
};

/// report.html: the table of claims, then each claim with its rule and figures, then where it ran.
std::string html_report(std::span<const ReportRow> rows, const ReportInfo& info);

}  // namespace tessera::report
