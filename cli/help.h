#pragma once

#include <string>

#include "cli/verbs.h"

namespace tessera::cli {

/// "--out DIR"
std::string option_text(const Option& option);

/// "tessera train RECIPE [--set KEY=VALUE]… [--out RUN] …"
std::string usage(const Verb& verb);

/// `tessera --help`: every verb with its summary, and the exit codes.
std::string overview();
/// `tessera VERB --help`.
std::string help(const Verb& verb);
/// `tessera case --help`: the verbs of a group; empty where there is no such group.
std::string group_help(std::string_view group);

}  // namespace tessera::cli
