#include <functional>
#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/systems/system.h"
#include "tessera/train/recipe.h"

namespace tessera::cli {
namespace {

std::string words(const std::vector<std::string>& list) { return join(list, " "); }

/// The fixed words for a position; files and folders come from the shell.
std::vector<std::string> candidates(Complete complete) {
  switch (complete) {
    case Complete::kSystem:
      return systems().names();
    case Complete::kRecipe:
    case Complete::kRecipeOrRun:
      return train::recipe_names();
    default:
      return {};
  }
}

bool takes_paths(Complete complete) {
  return complete != Complete::kNothing && complete != Complete::kSystem;
}

/// The first words, and the second words of a group.
std::vector<std::string> verb_words(std::string_view group) {
  std::vector<std::string> list;
  for (const Verb& verb : verbs()) {
    std::string word(verb.name);
    if (!group.empty()) {
      if (group_of(verb) != group) continue;
      word = word.substr(group.size() + 1);
    } else if (!group_of(verb).empty()) {
      word = group_of(verb);
    }
    if (list.empty() || list.back() != word) list.push_back(word);
  }
  return list;
}

std::vector<std::string> groups() {
  std::vector<std::string> list;
  for (const Verb& verb : verbs()) {
    const std::string group(group_of(verb));
    if (!group.empty() && (list.empty() || list.back() != group)) list.push_back(group);
  }
  return list;
}

/// What may follow the first word of a group. It may be a verb by itself too (`info`).
std::vector<std::string> second_words(std::string_view group) {
  std::vector<std::string> list = verb_words(group);
  for (const Verb& verb : verbs()) {
    if (verb.name != group) continue;
    for (const std::string& word : candidates(verb.complete)) list.push_back(word);
  }
  return list;
}

std::vector<std::string> option_words(const Verb& verb) {
  std::vector<std::string> list{"--help"};
  for (const Option& option : shown_options(verb)) list.push_back("--" + std::string(option.name));
  return list;
}

std::vector<std::string> values_of(const Option& option) {
  if (option.one_of.empty()) return candidates(option.complete);
  return {option.one_of.begin(), option.one_of.end()};
}

/// bash; zsh runs the same function through its bashcompinit.
void print_bash() {
  put("_tessera() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local verb=${COMP_WORDS[1]} list=\"\" files=\"\"\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n");
  line("    COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n    return\n  fi",
       words(verb_words("")));
  put("  case $verb in\n");
  for (const std::string& group : groups()) {
    line(
        "    {})\n      if [ \"$COMP_CWORD\" -eq 2 ]; then\n"
        "        COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n        return\n      fi\n"
        "      case \" {} \" in *\" ${{COMP_WORDS[2]}} \"*) verb=\"$verb ${{COMP_WORDS[2]}}\";; "
        "esac;;",
        group, words(second_words(group)), words(verb_words(group)));
  }
  put("  esac\n  case \"$verb $before\" in\n");
  for (const Verb& verb : verbs()) {
    for (const Option& option : shown_options(verb)) {
      if (option.value.empty()) continue;
      line("    \"{} --{}\") list=\"{}\" files={};;", verb.name, option.name,
           words(values_of(option)), takes_paths(option.complete) ? "1" : "0");
    }
  }
  put("  esac\n  if [ -z \"$files\" ]; then\n    case \"$verb\" in\n");
  for (const Verb& verb : verbs()) {
    const std::string fixed = verb.name == "completions" ? " bash zsh fish" : "";
    line("      \"{}\") list=\"{} {}{}\" files={};;", verb.name, words(candidates(verb.complete)),
         words(option_words(verb)), fixed, takes_paths(verb.complete) ? "1" : "0");
  }
  put("    esac\n  fi\n"
      "  COMPREPLY=($(compgen -W \"$list\" -- \"$word\"))\n"
      "  if [ \"$files\" = 1 ]; then\n"
      "    local path\n"
      "    while IFS= read -r path; do COMPREPLY+=(\"$path\"); done < <(compgen -f -- \"$word\")\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _tessera tessera\n");
}

void print_zsh() {
  put("#compdef tessera\nautoload -U +X bashcompinit && bashcompinit\n");
  print_bash();
}

/// A word for fish within single quotes.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

void print_fish() {
  put("complete -c tessera -f\n");
  for (const std::string& group : groups()) {
    line("complete -c tessera -n __fish_use_subcommand -a {}", group);
  }
  for (const Verb& verb : verbs()) {
    const std::string group(group_of(verb));
    std::string seen;
    if (group.empty()) {
      line("complete -c tessera -n __fish_use_subcommand -a {} -d {}", verb.name,
           fish_quoted(verb.summary));
      seen = fmt::format("'__fish_seen_subcommand_from {}'", verb.name);
    } else {
      const std::string second(verb.name.substr(group.size() + 1));
      line(
          "complete -c tessera -n '__fish_seen_subcommand_from {}; and not "
          "__fish_seen_subcommand_from {}' -a {} -d {}",
          group, words(verb_words(group)), second, fish_quoted(verb.summary));
      seen = fmt::format("'__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}'",
                         group, second);
    }
    const auto fixed = candidates(verb.complete);
    if (!fixed.empty()) line("complete -c tessera -n {} -a {}", seen, fish_quoted(words(fixed)));
    if (takes_paths(verb.complete)) line("complete -c tessera -n {} -F", seen);
    for (const Option& option : shown_options(verb)) {
      std::string rest;
      if (!option.value.empty()) rest = takes_paths(option.complete) ? " -r -F" : " -x";
      const auto values = values_of(option);
      if (!option.value.empty() && !values.empty()) rest += " -a " + fish_quoted(words(values));
      line("complete -c tessera -n {} -l {}{} -d {}", seen, option.name, rest,
           fish_quoted(option.help));
    }
  }
}

}  // namespace

int completions(const Arguments& arguments) {
  const std::string& shell = arguments.positional().at(0);
  const std::vector<std::pair<std::string, std::function<void()>>> shells = {
      {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
  std::vector<std::string> names;
  for (const auto& [name, print] : shells) {
    if (name == shell) {
      print();
      return 0;
    }
    names.push_back(name);
  }
  fail<InvalidArgument>({.where = "completions",
                         .rule = "a shell is bash, zsh or fish",
                         .got = "\"" + shell + "\"",
                         .next = did_you_mean(shell, names),
                         .id = "T-CLI-07"});
}

}  // namespace tessera::cli
