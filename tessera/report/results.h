#pragma once

#include <span>
#include <string>
#include <vector>

#include "tessera/core/json.h"
#include "tessera/systems/claim.h"

namespace tessera::report {

/// One claim and what came out of it: a row of the table, of results.json and of the page.
struct ReportRow {
  std::string system;
  Claim claim;
  ClaimResult result;
  double seconds = 0;
};

/// Whether every gate holds; findings do not count.
bool gates_hold(std::span<const ReportRow> rows);

/// results.json: a list of {claim, system, kind, paper, ours, baseline, holds, seconds, seeds}.
/// A value that is not finite is null.
Json results_json(std::span<const ReportRow> rows);

/// At most four significant digits: "0.01249", "30.43", "1.2e-06"; "–" where there is none.
std::string number_text(double value);
std::string number_text(const std::optional<double>& value);

/// The head and one line of the table on a terminal; the columns of both agree.
std::string table_head(size_t name_width);
std::string table_line(const ReportRow& row, size_t name_width);
/// Head, all lines, and the verdict.
std::string table_text(std::span<const ReportRow> rows);
/// "17 of 17 gates hold, 13 of 16 findings do"; what there is none of is not named.
std::string verdict(std::span<const ReportRow> rows);

}  // namespace tessera::report
