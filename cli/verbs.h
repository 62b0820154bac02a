#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"

namespace tessera::cli {

/// What a shell may offer for a word.
enum class Complete { kNothing, kFile, kFolder, kSystem, kRecipe, kRecipeOrRun };

struct Option {
  std::string_view name;   ///< without dashes
  std::string_view value;  ///< "DIR"; empty for a flag
  std::string_view help;   ///< one line, no full stop; empty: internal, not shown
  Complete complete = Complete::kNothing;
  std::vector<std::string_view> one_of = {};
  bool repeats = false;
};

/// One row of the table from which dispatch, help, completions and the man page are made.
struct Verb {
  std::string_view name;       ///< "train"; with a group: "case check"
  std::string_view arguments;  ///< "RECIPE", "FILE…"
  int min_arguments;
  int max_arguments;  ///< -1: any number
  Complete complete;
  std::string_view summary;  ///< one line, no full stop
  std::string_view details;  ///< paragraphs for --help and the man page
  std::vector<Option> options;
  int (*run)(const Arguments&);  ///< returns the exit code
};

std::span<const Verb> verbs();

/// The options that help, the manual page and completions show.
std::vector<Option> shown_options(const Verb& verb);

/// "case" of "case check"; empty where the verb has no group.
std::string_view group_of(const Verb& verb);

/// Finds the verb that `words` begin with, and removes its words. Throws InvalidArgument with the
/// nearest name.
const Verb& take_verb(std::vector<std::string>& words);

/// The verbs, one function in the file of its name.
int list(const Arguments&);
int info(const Arguments&);
int info_network(const Arguments&);
int train(const Arguments&);
int sparsify(const Arguments&);
int eval(const Arguments&);
int predict(const Arguments&);
int reproduce(const Arguments&);
int bench(const Arguments&);
int case_check(const Arguments&);
int case_run(const Arguments&);
int convert(const Arguments&);
int export_bundle(const Arguments&);
int data_list(const Arguments&);
int data_get(const Arguments&);
int data_check(const Arguments&);
int runs_list(const Arguments&);
int runs_show(const Arguments&);
int runs_compare(const Arguments&);
int doctor(const Arguments&);
int completions(const Arguments&);
int man(const Arguments&);
int version(const Arguments&);
int zoo_merge(const Arguments&);
int snn_convert(const Arguments&);

}  // namespace tessera::cli
