#include <string>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "tessera/core/text.h"
#include "tessera/core/version.h"

namespace tessera::cli {
namespace {

/// Text as roff shows it literally: a backslash, a hyphen that is not a dash, a leading dot.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out += std::string("\\&") + c;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

int man(const Arguments&) {
  line(".TH TESSERA 1 \"\" \"Tessera {}\" \"User Commands\"", kVersion);
  put(".SH NAME\ntessera \\- architectures of ICML 2021, equal to the authors' code and faster\n"
      ".SH SYNOPSIS\n.B tessera\n.I VERB\n[ARGUMENTS] [OPTIONS]\n.SH VERBS\n");
  for (const Verb& verb : verbs()) {
    line(".SS {} {}", roff(verb.name), roff(verb.arguments));
    line("{}.", roff(verb.summary));
    if (!verb.details.empty()) line("{}", roff(verb.details));
    for (const Option& option : shown_options(verb)) {
      line(".TP\n.B {}\n{}.{}", roff(option_text(option)), roff(option.help),
           option.repeats ? " May be repeated." : "");
    }
  }
  put(".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nA gate or a comparison does not hold.\n"
      ".TP\n2\nBad argument or configuration.\n.TP\n3\nBad file.\n.TP\n4\nUnsupported here.\n"
      ".TP\n5\nInput or output failed.\n.TP\n70\nA bug of Tessera.\n"
      ".TP\n128 + N\nA training ended by signal N, with a checkpoint written.\n");
  return 0;
}

}  // namespace tessera::cli
