#include "tessera/core/paths.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

namespace tessera {
namespace {

namespace fs = std::filesystem;

// The folder that this library was loaded from; empty where the loader does not say.
fs::path library_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&library_folder), &info) == 0 || !info.dli_fname)
    return {};
  std::error_code error;
  const fs::path file = fs::canonical(info.dli_fname, error);
  return error ? fs::path() : file.parent_path();
}

fs::path home_folder(const char* variable, const char* below_home) {
  if (const char* folder = std::getenv(variable); folder && *folder) return folder;
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / below_home;
  return fs::temp_directory_path();
}

}  // namespace

std::string resource_path(const std::string& relative) {
  const fs::path beside = library_folder().parent_path();
  // Installed: <prefix>/share/tessera. In a build folder: its share/ holds what was fetched.
  for (const fs::path& root :
       {beside / "share" / "tessera", beside, fs::path(TESSERA_SOURCE_DIR)}) {
    std::error_code error;
    if (fs::exists(root / relative, error)) return (root / relative).string();
  }
  return (fs::path(TESSERA_SOURCE_DIR) / relative).string();
}

std::string default_data_root() {
  return (home_folder("XDG_CACHE_HOME", ".cache") / "tessera").string();
}

std::string default_state_root() {
  return (home_folder("XDG_STATE_HOME", ".local/state") / "tessera").string();
}

}  // namespace tessera
