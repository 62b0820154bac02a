#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::io {

struct Checkpoint {
  int64_t step = 0;
  std::string path;  ///< the folder "<checkpoints>/step-<step>"
};

/// The checkpoints of a run: folders `step-N` (N completed updates) and a text file `latest` that
/// names the one written last. A checkpoint is filled under a name that begins with a dot, every
/// file is flushed, a manifest with the size and XXH3-128 of each is added, and the folder is
/// renamed into place: kill -9 at any moment leaves the old state or the new one. Leftovers of a
/// killed write are not seen, and are removed by the next write. One writer at a time.
class CheckpointStore {
 public:
  /// Over a folder ("RUN/checkpoints"), which need not exist: the first write makes it.
  explicit CheckpointStore(std::string folder);

  /// Writes `step-N` from the files that `fill` puts into the folder it is given, and points
  /// `latest` to it; an existing `step-N` is replaced. Where `fill` throws nothing has changed.
  /// Throws InvalidArgument on a negative step, no file, or anything but plain files; Io.
  Checkpoint write(int64_t step, const std::function<void(const std::string& folder)>& fill);

  /// All whole-looking checkpoints by ascending step; their bytes are not checked.
  std::vector<Checkpoint> list() const;

  /// Checks every file of a checkpoint against its manifest. Throws BadFile naming the file that is
  /// missing, damaged or too many, and the newest earlier checkpoint that is undamaged.
  void verify(const Checkpoint& checkpoint) const;

  /// The checkpoint that `latest` names (where there is no such, the highest step), verified; empty
  /// where there is none at all. Throws as verify does.
  std::optional<Checkpoint> open_latest() const;

  /// Removes all but the `keep` checkpoints of the highest steps; what `latest` names stays.
  /// keep <= 0 keeps all.
  void keep_newest(int64_t keep);

  const std::string& folder() const { return folder_; }

 private:
  std::optional<Checkpoint> newest() const;

  std::string folder_;
};

}  // namespace tessera::io
