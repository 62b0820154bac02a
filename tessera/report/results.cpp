#include "tessera/report/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tessera/train/observer.h"

namespace tessera::report {
namespace {

// JSON has no word for infinity or NaN.
Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json finite_or_null(const std::optional<double>& value) {
  return value ? finite_or_null(*value) : Json(nullptr);
}

const char* kind_text(const Claim& claim) {
  return claim.kind == Claim::Kind::kGate ? "gate" : "finding";
}

// Pads by what is seen: fmt counts "–" as one column, as terminals do.
std::string line(size_t name_width, std::string_view name, std::string_view kind,
                 std::string_view paper, std::string_view ours, std::string_view baseline,
                 std::string_view holds, std::string_view time) {
  return fmt::format("{:<{}}  {:<7}  {:>9}  {:>9}  {:>9}  {:<5}  {:>8}\n", name, name_width, kind,
                     paper, ours, baseline, holds, time);
}

std::string full_name(const ReportRow& row) { return row.system + "/" + row.claim.name; }

}  // namespace

bool gates_hold(std::span<const ReportRow> rows) {
  return std::all_of(rows.begin(), rows.end(), [](const ReportRow& row) {
    return row.result.holds || row.claim.kind == Claim::Kind::kFinding;
  });
}

Json results_json(std::span<const ReportRow> rows) {
  Json list = Json::array();
  for (const ReportRow& row : rows) {
    list.push_back({{"claim", row.claim.name},
                    {"system", row.system},
                    {"kind", kind_text(row.claim)},
                    {"paper", finite_or_null(row.claim.paper)},
                    {"ours", finite_or_null(row.result.ours)},
                    {"baseline", finite_or_null(row.result.baseline)},
                    {"holds", row.result.holds},
                    {"seconds", row.seconds},
                    {"seeds", row.result.seeds}});
  }
  return list;
}

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.4g}", value) : "–";
}

std::string number_text(const std::optional<double>& value) {
  return value ? number_text(*value) : "–";
}

std::string table_head(size_t name_width) {
  return line(name_width, "claim", "kind", "paper", "ours", "baseline", "holds", "time");
}

std::string table_line(const ReportRow& row, size_t name_width) {
  return line(name_width, full_name(row), kind_text(row.claim), number_text(row.claim.paper),
              number_text(row.result.ours), number_text(row.result.baseline),
              row.result.holds ? "yes" : "NO", train::describe_seconds(row.seconds));
}

std::string table_text(std::span<const ReportRow> rows) {
  size_t width = std::string_view("claim").size();
  for (const ReportRow& row : rows) width = std::max(width, full_name(row).size());
  std::string text = table_head(width);
  for (const ReportRow& row : rows) text += table_line(row, width);
  return text + verdict(rows) + "\n";
}

std::string verdict(std::span<const ReportRow> rows) {
  int64_t gates = 0, gates_held = 0, findings = 0, findings_held = 0;
  for (const ReportRow& row : rows) {
    const bool is_gate = row.claim.kind == Claim::Kind::kGate;
    ++(is_gate ? gates : findings);
    (is_gate ? gates_held : findings_held) += row.result.holds;
  }
  if (gates == 0) return fmt::format("{} of {} findings hold", findings_held, findings);
  const std::string text = fmt::format("{} of {} gates hold", gates_held, gates);
  if (findings == 0) return text;
  return text + fmt::format(", {} of {} findings do", findings_held, findings);
}

}  // namespace tessera::report
