#pragma once

#include <string>

namespace tessera::report {

/// The page of one training: curves of loss, metrics and rate, the configuration, the environment.
/// `run` is a run folder; reads its metrics.jsonl, config.toml and environment.json, each where it
/// is there. Throws BadFile on a line of metrics.jsonl that is not a JSON object.
std::string run_report_html(const std::string& run);

/// Writes that page to <run>/report.html.
void write_run_report(const std::string& run);

}  // namespace tessera::report
