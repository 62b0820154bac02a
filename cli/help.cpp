#include "cli/help.h"

#include "cli/table.h"
#include "tessera/core/text.h"
#include "tessera/core/version.h"

namespace tessera::cli {
std::string option_text(const Option& option) {
  std::string text = "--" + std::string(option.name);
  if (!option.value.empty()) text += " " + std::string(option.value);
  return text;
}

namespace {

std::string paragraph(std::string_view text) {
  return text.empty() ? "" : join(wrap(text, terminal_width()), "\n") + "\n\n";
}

}  // namespace

std::string usage(const Verb& verb) {
  std::string text = "tessera " + std::string(verb.name);
  if (!verb.arguments.empty()) text += " " + std::string(verb.arguments);
  for (const Option& option : shown_options(verb)) {
    text += " [" + option_text(option) + "]" + (option.repeats ? "…" : "");
  }
  return text;
}

std::string overview() {
  Table rows;
  for (const Verb& verb : verbs()) rows.add({std::string(verb.name), std::string(verb.summary)});
  return "Tessera " + std::string(kVersion) +
         ": architectures of ICML 2021, equal to the authors' code and faster\n\n"
         "Usage: tessera VERB [ARGUMENTS] [OPTIONS]\n\n" +
         rows.text(2) +
         "\n`tessera VERB --help` says more.\n"
         "Exit codes: 0 done, 1 a gate or comparison does not hold, 2 bad argument or "
         "configuration,\n3 bad file, 4 unsupported here, 5 input or output failed, 70 a bug of "
         "Tessera.\n";
}

std::string help(const Verb& verb) {
  std::string text = std::string(verb.summary) + "\n\nUsage: tessera " + std::string(verb.name);
  if (!verb.arguments.empty()) text += " " + std::string(verb.arguments);
  if (!verb.options.empty()) text += " [OPTIONS]";
  text += "\n\n" + paragraph(verb.details);
  Table rows;
  for (const Option& option : shown_options(verb)) {
    std::string help(option.help);
    if (!option.one_of.empty()) {
      help += " (" +
              join(std::vector<std::string>(option.one_of.begin(), option.one_of.end()), ", ") +
              ")";
    }
    if (option.repeats) help += "; may be repeated";
    rows.add({option_text(option), help});
  }
  rows.add({"--help", "this text"});
  return text + "Options\n" + rows.text(2);
}

std::string group_help(std::string_view group) {
  Table rows;
  for (const Verb& verb : verbs()) {
    if (verb.name == group) return "";  // a verb by itself too, whose own help is asked for
    if (group_of(verb) == group) {
      rows.add(
          {std::string(verb.name) + " " + std::string(verb.arguments), std::string(verb.summary)});
    }
  }
  return rows.empty() ? "" : rows.text();
}

}  // namespace tessera::cli
