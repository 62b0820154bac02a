#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace tessera {

/// The process exit codes of the command line. Scripts depend on them.
enum class ExitCode : int {
  kDone = 0,
  kDoesNotHold = 1,
  kUsage = 2,
  kBadFile = 3,
  kUnsupported = 4,
  kIo = 5,
  kInternal = 70,
};

/// Base of everything Tessera throws: one type per kind of reaction, each with its exit code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode exit_code, std::string_view id, const std::string& message)
      : std::runtime_error(message), exit_code_(exit_code), id_(id) {}

  ExitCode exit_code() const noexcept { return exit_code_; }
  /// Stable identifier such as "T-EGNN-02"; empty where none was given.
  const std::string& id() const noexcept { return id_; }

 private:
  ExitCode exit_code_;
  std::string id_;
};

/// A wrong argument, configuration value, shape, dtype or device: the caller can mend it.
class InvalidArgument final : public Error {
 public:
  InvalidArgument(std::string_view id, const std::string& message)
      : Error(ExitCode::kUsage, id, message) {}
};

/// A file whose bytes break the rules of its format.
class BadFile final : public Error {
 public:
  BadFile(std::string_view id, const std::string& message)
      : Error(ExitCode::kBadFile, id, message) {}
};

/// Right in principle, but not on this machine, device or build.
class Unsupported final : public Error {
 public:
  Unsupported(std::string_view id, const std::string& message)
      : Error(ExitCode::kUnsupported, id, message) {}
};

/// The operating system refused: missing file, full disk, broken pipe, no network.
class Io final : public Error {
 public:
  Io(std::string_view id, const std::string& message) : Error(ExitCode::kIo, id, message) {}
};

/// Our bug.
class Internal final : public Error {
 public:
  Internal(std::string_view id, const std::string& message)
      : Error(ExitCode::kInternal, id, message) {}
};

/// The parts of a message: "[where] rule, but got value. next  (id)".
struct Complaint {
  std::string_view where;      ///< operation, verb or format: "egnn", "safetensors", "train"
  std::string_view rule;       ///< what must hold: "edge_index must be int64 of shape (2, E)"
  std::string_view got = {};   ///< the value seen: "float32 (128, 2)"; empty drops ", but got"
  std::string_view next = {};  ///< what to do: "Transpose and cast it."
  std::string_view id = {};    ///< "T-EGNN-02"
};

/// The one-line text of a complaint.
std::string format(const Complaint& complaint);

/// Throws E with the formatted complaint. The only way a message is made.
template <class E>
[[noreturn]] void fail(const Complaint& complaint) {
  throw E(complaint.id, format(complaint));
}

}  // namespace tessera
