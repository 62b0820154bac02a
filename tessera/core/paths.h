#pragma once

#include <string>

namespace tessera {

/// A file or folder that ships with the library ("recipes/egnn/nbody.toml"): in the installed
/// share folder when there is one beside the library, else in the source tree it was built from.
std::string resource_path(const std::string& relative);

/// Where data sets are kept when `--data` is not given: $XDG_CACHE_HOME/tessera or
/// ~/.cache/tessera.
std::string default_data_root();

/// Where the store of runs is kept: $XDG_STATE_HOME/tessera or ~/.local/state/tessera.
std::string default_state_root();

}  // namespace tessera
