#include <c10/util/Exception.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/cases/runner.h"
#include "tessera/core/error.h"

namespace tessera::cli {
namespace {

// A case is too small for more to pay.
constexpr int kCaseThreads = 1;

Json to_json(const cases::CaseReport& report) {
  Json tensors = Json::array();
  for (const cases::Comparison& row : report.comparisons) {
    // Infinities are null in JSON, which is how a failure without a number reads.
    tensors.push_back({{"name", row.name},
                       {"holds", row.holds},
                       {"max_abs", row.max_abs},
                       {"max_rel", row.max_rel},
                       {"used", row.used},
                       {"reason", row.reason}});
  }
  return {{"file", report.path},
          {"system", report.it.system->name},
          {"kind", name_of(report.it.kind)},
          {"holds", report.holds()},
          {"rtol", report.it.rtol},
          {"atol", report.it.atol},
          {"seconds", report.seconds},
          {"tensors", std::move(tensors)}};
}

void print(const cases::CaseReport& report, bool is_quiet) {
  double used = 0;
  size_t name_width = 0;
  for (const cases::Comparison& row : report.comparisons) {
    used = std::max(used, row.used);
    name_width = std::max(name_width, display_width(row.name));
  }
  for (const cases::Comparison& row : report.comparisons) {
    if (is_quiet) break;
    const std::string numbers =
        row.reason.empty() ? fmt::format(
                                 "abs {:8.2e}  rel {:8.2e}  tolerance {:.0e} + {:.0e}·|x|, "
                                 "{:.2g} used",
                                 row.max_abs, row.max_rel, report.it.atol, report.it.rtol, row.used)
                           : row.reason;
    line("  {} {:<{}}  {}", row.holds ? "ok  " : "FAIL", row.name, name_width, numbers);
  }
  const size_t failures = report.failures();
  const std::string result =
      report.comparisons.empty() ? "the file records no result"
      : failures == 0
          ? fmt::format("{} tensors hold", report.comparisons.size())
          : fmt::format("{} of {} tensors do not hold", failures, report.comparisons.size());
  line("{} {}/{} ({}): {}, worst {:.2g} of its tolerance, {:.2f} s",
       report.holds() ? "ok  " : "FAIL", report.it.system->name, report.name,
       name_of(report.it.kind), result, used, report.seconds);
}

/// The first line of what went wrong: torch appends where.
std::string reason(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch ? torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace

int case_check(const Arguments& arguments) {
  use_threads(arguments, kCaseThreads);
  const at::Device device = device_argument(arguments);
  Json reports = Json::array();
  size_t failures = 0;
  int error_code = 0;
  for (const std::string& path : arguments.positional()) {
    // One file that cannot be run does not keep the others from it.
    try {
      const cases::CaseReport report = cases::check_case(path, device);
      if (!report.holds()) ++failures;
      if (arguments.has("json")) {
        reports.push_back(to_json(report));
      } else {
        print(report, arguments.has("quiet"));
        std::fflush(stdout);
      }
    } catch (const std::exception& error) {
      // What is not one of our errors is a bug, ours or the file's.
      const auto* own = dynamic_cast<const Error*>(&error);
      const std::string why = own ? error.what() : reason(error);
      fmt::print(stderr, "error: {}: {}\n", path, why);
      if (error_code == 0) {
        error_code = static_cast<int>(own ? own->exit_code() : ExitCode::kInternal);
      }
      if (arguments.has("json")) reports.push_back({{"file", path}, {"error", why}});
    }
  }
  if (arguments.has("json")) put_json(reports);
  if (error_code != 0) return error_code;
  return failures == 0 ? 0 : static_cast<int>(ExitCode::kDoesNotHold);
}

int case_run(const Arguments& arguments) {
  if (!arguments.has("out")) {
    fail<InvalidArgument>(
        {.where = "case run", .rule = "needs --out FILE", .got = "none", .id = "T-CLI-04"});
  }
  use_threads(arguments, kCaseThreads);
  const cases::CaseFile it = cases::read_case(arguments.positional().at(0));
  const TensorMap result = cases::run_case(it, device_argument(arguments));
  io::write_tensor_file(arguments.get("out"), result,
                        {{"system", it.system->name}, {"kind", name_of(it.kind)}});
  line("{}: {} tensors", arguments.get("out"), result.size());
  return 0;
}

}  // namespace tessera::cli
