// The command line: finds the verb, runs it, and turns whatever it throws into one line on standard
// error and an exit code. The verbs and their options are listed in verbs.cpp.

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <new>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/memory.h"
#include "tessera/train/trainer.h"

namespace tessera::cli {
namespace {

int report(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.what());
  if (error.exit_code() == ExitCode::kInternal) {
    fmt::print(stderr,
               "This is a bug of Tessera. Please report it with the output of "
               "`tessera doctor`.\n");
  }
  return static_cast<int>(error.exit_code());
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Internal internal(std::string_view where, const std::string& message) {
  return Internal("T-INT-01", format({.where = where, .rule = message, .id = "T-INT-01"}));
}

Io out_of_memory(const std::string& message) {
  return Io("T-IO-90", format({.where = "memory",
                               .rule = message,
                               .next = "Try a smaller train.batch_size or a smaller model.",
                               .id = "T-IO-90"}));
}

int dispatch(std::vector<std::string> words) {
  if (words.empty()) {
    fmt::print(stderr, "{}", overview());
    return static_cast<int>(ExitCode::kUsage);
  }
  if (words[0] == "help") {
    words.erase(words.begin());
    if (!words.empty()) words.push_back("--help");
  }
  if (words.empty() || words[0] == "--help" || words[0] == "-h") {
    put(overview());
    return 0;
  }
  if (words[0] == "--version") words[0] = "version";
  const bool asks_for_group = words.size() == 2 && (words[1] == "--help" || words[1] == "-h");
  if (const std::string text = group_help(words[0]); asks_for_group && !text.empty()) {
    put(text);
    return 0;
  }
  const Verb& verb = take_verb(words);
  const Arguments arguments(verb, words);
  if (arguments.wants_help()) {
    put(help(verb));
    return 0;
  }
  return verb.run(arguments);
}

int run(std::vector<std::string> words) {
  try {
    return dispatch(std::move(words));
  } catch (const train::Interrupted& interrupted) {
    fmt::print(stderr, "{}\n", interrupted.what());
    return 128 + interrupted.signal();
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(out_of_memory("the memory of this machine is used up"));
  } catch (const c10::OutOfMemoryError& error) {
    return report(out_of_memory(first_line(error.what_without_backtrace())));
  } catch (const c10::Error& error) {
    const std::string message = first_line(error.what_without_backtrace());
    // torch's allocator of the CPU has no type of its own for this.
    const size_t place = message.find("DefaultCPUAllocator: ");
    if (place != std::string::npos) return report(out_of_memory(message.substr(place)));
    return report(internal("torch", message));
  } catch (const std::filesystem::filesystem_error& error) {
    return report(
        Io("T-IO-91", format({.where = "file",
                              .rule = "cannot make or read " + error.path1().string(),
                              .got = error.code().message(),
                              .next = "Check the path, its permissions and the free space.",
                              .id = "T-IO-91"})));
  } catch (const std::exception& error) {
    return report(internal("tessera", first_line(error.what())));
  }
}

}  // namespace
}  // namespace tessera::cli

int main(int count, char** words) {
  // A reader that went away must not end a training: writes fail instead, and are looked at here.
  std::signal(SIGPIPE, SIG_IGN);
  tessera::keep_freed_memory();
  const int code = tessera::cli::run(std::vector<std::string>(words + 1, words + count));
  errno = 0;
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && errno != EPIPE && code == 0) {
    fmt::print(stderr, "error: [output] cannot write the result: {}.\n", std::strerror(errno));
    return static_cast<int>(tessera::ExitCode::kIo);
  }
  return code;
}
