#pragma once

namespace tessera {

/// A model whose training has phases: each starts with an optimizer that remembers nothing.
class Phased {
 public:
  virtual ~Phased() = default;
  /// Whether the update just made was the last of its phase. Asked once after each update.
  virtual bool ends_phase() const = 0;
};

}  // namespace tessera
