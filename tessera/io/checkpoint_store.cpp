#include "tessera/io/checkpoint_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/hash.h"
#include "tessera/io/manifest.h"
#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kManifestName = "manifest.json";
constexpr std::string_view kLatestName = "latest";

[[noreturn]] void refuse(const std::string& what, const std::string& reason) {
  fail<Io>({.where = "checkpoint",
            .rule = what + ": " + reason,
            .next = "Check the free space and the permissions of the folder.",
            .id = "T-CKPT-06"});
}

std::string name_of(int64_t step) { return "step-" + std::to_string(step); }

/// The N of "step-N" in its only spelling (no zeros in front), else nothing.
std::optional<int64_t> step_of(std::string_view name) {
  if (!name.starts_with("step-")) return std::nullopt;
  int64_t step = -1;
  std::from_chars(name.data() + 5, name.data() + name.size(), step);
  if (step < 0 || name_of(step) != name) return std::nullopt;
  return step;
}

/// The entries of a folder by name; none where the folder is missing.
std::vector<fs::directory_entry> entries_of(const std::string& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    refuse("cannot list " + folder, error.message());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

void remove_folder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) refuse("cannot remove " + path, error.message());
}

/// Removes a checkpoint such that a kill in between leaves none that looks whole.
void retire(const std::string& folder, const std::string& name) {
  const std::string hidden = folder + "/.removed-" + name;
  remove_folder(hidden);
  if (::rename((folder + "/" + name).c_str(), hidden.c_str()) != 0) {
    refuse("cannot remove " + folder + "/" + name, std::strerror(errno));
  }
  remove_folder(hidden);
}

/// Puts `temporary` in the place of `target`. Where the file system can exchange two names,
/// `target` is there at every moment.
void put_in_place(const std::string& folder, const std::string& temporary,
                  const std::string& name) {
  const std::string target = folder + "/" + name;
  if (fs::exists(target)) {
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
      flush_to_disk(folder);
      return remove_folder(temporary);
    }
    retire(folder, name);
  }
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    refuse("cannot rename " + temporary, std::strerror(errno));
  }
  flush_to_disk(folder);
}

/// Flushes what `fill` wrote and describes it.
Manifest seal(int64_t step, const std::string& folder) {
  Manifest manifest{.step = step, .files = {}};
  for (const fs::directory_entry& entry : entries_of(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_symlink() || !entry.is_regular_file() || !is_plain_file_name(name) ||
        name == kManifestName) {
      fail<InvalidArgument>({.where = "checkpoint",
                             .rule = "a checkpoint must hold plain files, none named manifest.json",
                             .got = shown(name),
                             .id = "T-CKPT-07"});
    }
    flush_to_disk(entry.path().string());
    const MappedFile file(entry.path().string());
    manifest.files.push_back({name, file.bytes().size(), xxh3_hex(file.bytes())});
  }
  if (manifest.files.empty()) {
    fail<InvalidArgument>({.where = "checkpoint",
                           .rule = "a checkpoint must hold at least one file",
                           .got = "none",
                           .id = "T-CKPT-08"});
  }
  write_atomically(folder + "/" + std::string(kManifestName), to_text(manifest));
  return manifest;
}

/// What is wrong with a checkpoint, as (file, rule broken); nothing where it is whole.
struct Damage {
  std::string file, what;
};

std::optional<Damage> find_damage(const Checkpoint& checkpoint) {
  const std::string manifest_path = checkpoint.path + "/" + std::string(kManifestName);
  if (!fs::exists(manifest_path)) return Damage{manifest_path, "a missing file"};
  Manifest manifest;
  try {
    const MappedFile file(manifest_path);
    manifest = parse_manifest(file.bytes(), manifest_path);
  } catch (const BadFile&) {
    return Damage{manifest_path, "no readable manifest"};
  }
  if (manifest.step != checkpoint.step) {
    return Damage{manifest_path, "the manifest of step " + std::to_string(manifest.step)};
  }
  for (const Manifest::File& expected : manifest.files) {
    const std::string path = checkpoint.path + "/" + expected.name;
    if (!fs::is_regular_file(path)) return Damage{path, "a missing file"};
    const MappedFile file(path);
    if (file.bytes().size() != expected.bytes) {
      return Damage{path, std::to_string(file.bytes().size()) + " bytes instead of " +
                              std::to_string(expected.bytes)};
    }
    if (xxh3_hex(file.bytes()) != expected.xxh3) return Damage{path, "other bytes"};
  }
  for (const fs::directory_entry& entry : entries_of(checkpoint.path)) {
    const std::string name = entry.path().filename().string();
    const bool is_listed =
        std::any_of(manifest.files.begin(), manifest.files.end(),
                    [&](const Manifest::File& file) { return file.name == name; });
    if (!is_listed && name != kManifestName) return Damage{entry.path().string(), "an added file"};
  }
  return std::nullopt;
}

}  // namespace

CheckpointStore::CheckpointStore(std::string folder) : folder_(std::move(folder)) {}

Checkpoint CheckpointStore::write(int64_t step,
                                  const std::function<void(const std::string& folder)>& fill) {
  if (step < 0) {
    fail<InvalidArgument>({.where = "checkpoint",
                           .rule = "the step must not be negative",
                           .got = std::to_string(step),
                           .id = "T-CKPT-09"});
  }
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) refuse("cannot create " + folder_, error.message());
  for (const fs::directory_entry& entry : entries_of(folder_)) {
    if (entry.path().filename().string().starts_with('.')) remove_folder(entry.path().string());
  }

  const std::string name = name_of(step);
  const std::string temporary = folder_ + "/." + name + ".writing";
  if (!fs::create_directory(temporary, error)) {
    refuse("cannot create " + temporary, error.message());
  }
  try {
    fill(temporary);
    seal(step, temporary);
    put_in_place(folder_, temporary, name);
    write_atomically(folder_ + "/" + std::string(kLatestName), name + "\n");
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  return {step, folder_ + "/" + name};
}

std::vector<Checkpoint> CheckpointStore::list() const {
  std::vector<Checkpoint> checkpoints;
  for (const fs::directory_entry& entry : entries_of(folder_)) {
    const std::optional<int64_t> step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) checkpoints.push_back({*step, entry.path().string()});
  }
  std::sort(checkpoints.begin(), checkpoints.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return checkpoints;
}

void CheckpointStore::verify(const Checkpoint& checkpoint) const {
  const std::optional<Damage> damage = find_damage(checkpoint);
  if (!damage) return;
  std::string next = "Remove " + checkpoint.path;
  const std::vector<Checkpoint> all = list();
  const auto previous = std::find_if(all.rbegin(), all.rend(), [&](const Checkpoint& other) {
    return other.step < checkpoint.step && !find_damage(other);
  });
  if (previous != all.rend()) {
    next.append(" to go on from ").append(name_of(previous->step)).append(".");
  } else {
    next.append(" to begin again: no earlier checkpoint is whole.");
  }
  fail<BadFile>({.where = "checkpoint",
                 .rule = damage->file + ": every file must be as its manifest says",
                 .got = damage->what,
                 .next = next,
                 .id = "T-CKPT-10"});
}

std::optional<Checkpoint> CheckpointStore::open_latest() const {
  std::optional<Checkpoint> checkpoint = newest();
  if (checkpoint) verify(*checkpoint);
  return checkpoint;
}

void CheckpointStore::keep_newest(int64_t keep) {
  if (keep <= 0) return;
  const std::vector<Checkpoint> all = list();
  const std::optional<Checkpoint> latest = newest();
  for (size_t i = 0; i + static_cast<size_t>(keep) < all.size(); ++i) {
    if (all[i].step != latest->step) retire(folder_, name_of(all[i].step));
  }
}

std::optional<Checkpoint> CheckpointStore::newest() const {
  const std::vector<Checkpoint> all = list();
  if (all.empty()) return std::nullopt;
  const std::string pointer = folder_ + "/" + std::string(kLatestName);
  if (fs::is_regular_file(pointer)) {
    std::string name = read_text(pointer);
    if (name.ends_with('\n')) name.pop_back();
    for (const Checkpoint& checkpoint : all) {
      if (name_of(checkpoint.step) == name) return checkpoint;
    }
  }
  return all.back();
}

}  // namespace tessera::io
