#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "tessera/report/lab.h"
#include "tessera/report/results.h"
#include "tessera/systems/system.h"

namespace tessera::report {

struct ReproduceOptions {
  std::vector<std::string> claims;  ///< "egnn", "ugs/ticket_cora_*"; empty: every one
  Scale scale = Scale::kQuick;
  std::string out = "report";         ///< folder for results.json, report.html and runs/
  std::string data_root;              ///< empty: default_data_root()
  std::vector<std::string> settings;  ///< on top of every training: "run.threads=1"
  ObserverFactory observer;           ///< progress of the trainings; empty: none
  std::FILE* rows = nullptr;          ///< each row of the table as it comes; nullptr: nowhere
};

struct ReproduceResult {
  std::vector<ReportRow> rows;
  std::string results_path, report_path;
  bool holds = true;  ///< every gate holds
};

/// Runs the claims of `systems` that are asked for and have this scale, in their order. Trainings
/// become run folders below <out>/runs, named after their complete configuration: claims that ask
/// for the same one share it, and a later call with the same `out` reuses what is finished and
/// resumes what is not. results.json and report.html are rewritten after each claim. Throws
/// InvalidArgument where a pattern names no claim or none has the scale, train::Interrupted after
/// SIGINT or SIGTERM: the same call goes on from there.
ReproduceResult reproduce(std::span<const System* const> systems, const ReproduceOptions& options);

}  // namespace tessera::report
