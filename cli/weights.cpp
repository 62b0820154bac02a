#include "cli/weights.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/io/tensor_file.h"

extern char** environ;

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

/// A folder of our own that is removed with everything in it.
class ScratchFolder {
 public:
  ScratchFolder() : path_((fs::temp_directory_path() / "tessera-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) {
      fail<Io>({.where = "convert",
                .rule = "a folder can be made in " + fs::temp_directory_path().string(),
                .id = "T-CONV-01"});
    }
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string python() {
#ifdef TESSERA_PYTHON
  if (*TESSERA_PYTHON) return TESSERA_PYTHON;
#endif
  return "python3";
}

/// The exit status of a program; its standard output goes to our standard error, which keeps the
/// results apart from what it says.
int run_program(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed != 0 || waitpid(child, &status, 0) < 0) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

WeightFile read_safetensors(const std::string& path) {
  const io::TensorFile file = io::read_tensor_file(path, io::Storage::kCopied);
  WeightFile weights{.tensors = file.tensors, .config = nullptr};
  if (file.find_metadata("kind")) {
    weights.tensors = file.tensors.with_prefix("weight/");
    weights.tensors.merge(file.tensors.with_prefix("buffer/"));
  }
  if (const std::string* config = file.find_metadata("config")) {
    const Json parsed = Json::parse(*config, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_object()) weights.config = parsed;
  }
  return weights;
}

WeightFile read_pytorch(const std::string& path) {
  if (!fs::exists(path)) {
    fail<Io>({.where = "convert", .rule = "there is no file " + path, .id = "T-CONV-02"});
  }
  const ScratchFolder scratch;
  const std::string out = scratch.file("weights.safetensors");
  const int status =
      run_program({python(), resource_path("python/convert_checkpoint.py"), path, out});
  if (status == static_cast<int>(ExitCode::kBadFile)) {
    fail<BadFile>({.where = "convert",
                   .rule = path + " is not a checkpoint of tensors and plain containers",
                   .next = "What PyTorch said of it stands above.",
                   .id = "T-CONV-03"});
  }
  if (status != 0) {
    fail<Unsupported>({.where = "convert",
                       .rule = "a PyTorch checkpoint needs a Python with torch",
                       .got = python() + " ending with status " + std::to_string(status),
                       .next = "Install torch there, or save the weights as safetensors.",
                       .id = "T-CONV-04"});
  }
  return read_safetensors(out);
}

}  // namespace

WeightFile read_weights(const std::string& path) {
  const std::string ending = fs::path(path).extension();
  if (ending == ".safetensors") return read_safetensors(path);
  if (ending == ".npz") return {.tensors = io::read_npz(path), .config = nullptr};
  if (ending == ".pt" || ending == ".pth" || ending == ".bin" || ending == ".ckpt") {
    return read_pytorch(path);
  }
  fail<Unsupported>({.where = "convert",
                     .rule = "weights are .safetensors, .npz, .pt, .pth, .bin or .ckpt",
                     .got = path,
                     .id = "T-CONV-05"});
}

TensorMap to_ours(const TensorMap& weights, const System& system, const Config& config) {
  return system.from_authors ? system.from_authors(weights, config) : weights;
}

}  // namespace tessera::cli
