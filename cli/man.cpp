#include <string>

#include "cli/help.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "tessera/core/text.h"
#include "tessera/core/version.h"

namespace tessera::cli {
namespace {

/// The code point that begins at `i` in UTF-8; `i` moves to its last byte.
unsigned decode(std::string_view text, size_t& i) {
  const auto first = static_cast<unsigned char>(text[i]);
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  unsigned code = more == 0 ? first : first & (0x3Fu >> more);
  for (int k = 0; k < more && i + 1 < text.size(); ++k) {
    code = code << 6 | (static_cast<unsigned char>(text[++i]) & 0x3Fu);
  }
  return code;
}

/// Text as roff shows it literally: a backslash, a hyphen that is not a dash, a leading dot, and
/// what is not ASCII.
std::string roff(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && out.empty()) {
      out += std::string("\\&") + c;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      out += fmt::format("\\[u{:04X}]", decode(text, i));
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
