#include "cli/verbs.h"

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/train/sparsify.h"

namespace tessera::cli {

namespace {

const Option kDevice{"device", "DEVICE", "cpu, cuda or cuda:N (recipe key run.device)"};
const Option kDtype{.name = "dtype",
                    .value = "DTYPE",
                    .help = "type of the arithmetic (recipe key run.dtype)",
                    .one_of = {"float32", "float64", "bfloat16"}};
const Option kThreads{"threads", "N", "threads to compute with; 0 takes every core"};
const Option kOneThread{"threads", "N",
                        "threads to compute with; 1 by default, 0 takes every core"};
const Option kData{"data", "DIR", "where data sets lie; in the user's cache by default",
                   Complete::kFolder};
const Option kJson{"json", "", "print JSON"};
const Option kSet{.name = "set",
                  .value = "KEY=VALUE",
                  .help = "set a key of the recipe, as model.dim=64",
                  .repeats = true};
const Option kWeights{"weights", "FILE", "weights from elsewhere, ours or the authors'",
                      Complete::kFile};
const Option kMirror{"mirror", "DIR|URL", "fetch from a copy: DIR/<path> or URL/<path>",
                     Complete::kFolder};
const Option kStore{"store", "FILE", "the store of runs; in the user's state folder by default",
                    Complete::kFile};

std::vector<Verb> make_verbs() {
  return {
      {"list",
       "[PATTERN…]",
       0,
       -1,
       Complete::kSystem,
       "The systems of this library",
       "A pattern is a name with * and ?.",
       {kJson},
       list},
      // Before `info`, which would take the word for a system.
      {"info network",
       "[NAME]",
       0,
       1,
       Complete::kNothing,
       "The layers of a described network: shapes, operations, bytes, intensity",
       "Without NAME: all networks. Bytes and intensity are of a batch, by the calculator of "
       "FoldedCNNs: convolutions and linear layers, weights read once a batch.",
       {{"fold", "F", "fold F images into one input, widths times the square root of F"},
        {"width", "M", "multiply hidden widths by M instead"},
        {"average-pools", "", "average pools in place of maximum pools"},
        {"batch", "N", "images; 1024 by default"},
        {"bytes", "B", "bytes of an element; 2 by default"},
        kJson},
       info_network},
      {"info",
       "SYSTEM|recipe",
       1,
       1,
       Complete::kSystem,
       "Everything about a system: paper, configuration, tasks, recipes, claims, cases",
       "`info recipe` lists the keys that every recipe has: [train], [run] and [expect]; "
       "`info network` the described networks.",
       {kJson},
       info},
      {"train",
       "RECIPE",
       0,
       1,
       Complete::kRecipe,
       "Train a recipe into a run folder",
       "RECIPE is a TOML file or the name of one that ships with Tessera, as egnn/nbody. The run "
       "folder holds config.toml, metrics.jsonl, checkpoints and report.html. SIGINT and SIGTERM "
       "write a checkpoint before they end the training with exit code 128 + signal; "
       "`train --resume RUN` goes on from the last checkpoint, bit for bit at the same number of "
       "threads.",
       {kSet,
        {"out", "RUN", "the run folder; below runs/ by default", Complete::kFolder},
        {"resume", "RUN", "go on with an interrupted run", Complete::kFolder},
        {"profile", "", "say where the time of the steps went"},
        {"quiet", "", "no progress"},
        kStore,
        kData,
        kDevice,
        kDtype,
        kThreads},
       train},
      {"sparsify",
       "RECIPE",
       1,
       1,
       Complete::kRecipe,
       "Search lottery tickets among a model's weights, and a graph's edges",
       "Trains the recipe, prunes the smallest weights of all its matrices by one threshold, goes "
       "back to the first weights, and repeats; one line a round. With --edge-rate the edges of "
       "the "
       "graph go likewise, in graph networks that take a weight for each edge, where all examples "
       "have the same ones. Method ugs trains masks of both before each round, as long as the "
       "recipe says. Rounds that lie in --out already are read; `eval` and `predict` take them.",
       {{"rounds", "N", "pruning rounds after the first training; 5 by default"},
        {.name = "method",
         .value = "NAME",
         .help = "what prunes: trained weights, learned masks or chance; magnitude by default",
         .one_of = {train::kPruneByNames.begin(), train::kPruneByNames.end()}},
        {"rate", "P", "share of the remaining weights that a round prunes; 0.2 by default"},
        {"edge-rate", "P", "share of the remaining edges; 0, none, by default"},
        {"l1", "X", "penalty of the masks of weights; 1e-4 by default"},
        {"edge-l1", "X", "penalty of the masks of edges; 1e-4 by default"},
        {"out", "DIR", "keep the rounds' run folders here", Complete::kFolder},
        {"quiet", "", "no progress"},
        kSet,
        kData,
        kDevice,
        kDtype,
        kThreads},
       sparsify},
      {"eval",
       "RUN|RECIPE",
       1,
       1,
       Complete::kRecipeOrRun,
       "Metrics of a trained model on a split",
       "Of a run (its best weights), of an exported bundle, or of a recipe with --weights.",
       {kWeights,
        {.name = "split",
         .value = "SPLIT",
         .help = "which examples; test by default",
         .one_of = {"train", "valid", "test"}},
        {"batch-size", "N", "examples at a time; the recipe's by default"},
        kSet,
        kData,
        kDevice,
        kDtype,
        kThreads,
        kJson},
       eval},
      {"predict",
       "RUN|RECIPE",
       1,
       1,
       Complete::kRecipeOrRun,
       "Outputs of a trained model",
       "Reads named tensors, runs the model once and writes every output. `info SYSTEM` and a "
       "case's input/* show the names. Where the task reads text, a .txt holds an example a line.",
       {{"input", "FILE", "the inputs: .safetensors, .npz or .txt", Complete::kFile},
        {"output", "FILE", "the outputs, as safetensors", Complete::kFile},
        kWeights,
        kSet,
        kData,
        kDevice,
        kDtype,
        kThreads},
       predict},
      {"reproduce",
       "[SYSTEM[/CLAIM]…]",
       0,
       -1,
       Complete::kSystem,
       "Run the papers' claims: table, results.json and report.html",
       "Trains the systems and their baselines. CLAIM may hold wildcards; `info SYSTEM` lists "
       "them. Exit code 1 where a gate does not hold; findings only say what came out. "
       "Interrupted, the same command with the same --out goes on.",
       {{.name = "scale",
         .value = "SCALE",
         .help = "quick (minutes), cpu (minutes to hours a claim) or paper",
         .one_of = {"quick", "cpu", "paper"}},
        {"out", "DIR", "folder of the results; report by default", Complete::kFolder},
        kSet,
        {"quiet", "", "no progress"},
        kData,
        kThreads},
       reproduce},
      {"bench",
       "[SYSTEM[/WORKLOAD]…]",
       0,
       -1,
       Complete::kSystem,
       "Time workloads beside their peers, in turn in the same run",
       "Prints medians, the peers' time over ours, and the share of this machine's measured "
       "limits. Without --peers only ours run.",
       {{"peers", "DIR", "folder with the peers' checkouts", Complete::kFolder},
        {"peer-scripts", "DIR", "folder with their scripts; bench/peers by default",
         Complete::kFolder},
        {"python", "PROGRAM", "interpreter for the scripts", Complete::kFile},
        {"threads", "N", "threads to compute with; 1 by default"},
        {"rounds", "N", "turns of each"},
        {"repeats", "N", "timed calls within a turn"},
        {"json", "FILE", "write the rows", Complete::kFile},
        {"worker", "SYSTEM/WORKLOAD", ""}},
       bench},
      {"case check",
       "FILE…",
       1,
       -1,
       Complete::kFile,
       "Run cases and compare with what they record of the authors' code",
       "One line a tensor: largest absolute and relative error, and the share of the tolerance "
       "atol + rtol·|recorded| that is used. Exit code 1 where one does not hold.",
       {{"quiet", "", "one line a file"}, kJson, kDevice, kOneThread},
       case_check},
      {"case run",
       "FILE",
       1,
       1,
       Complete::kFile,
       "Run a case and write what it computes",
       "Writes output/*, and grad/* and grad_input/* where the case has cotangents; the file need "
       "not hold a result.",
       {{"out", "FILE", "where to write, as safetensors", Complete::kFile}, kDevice, kOneThread},
       case_run},
      {"convert",
       "SYSTEM IN OUT",
       3,
       3,
       Complete::kSystem,
       "An authors' checkpoint to ours, or back",
       "IN is .safetensors, .npz, or a PyTorch checkpoint (.pt, .pth), which a Python helper reads "
       "with torch.load(weights_only=True): tensors and plain containers, no code runs. OUT is "
       "safetensors. The configuration of the model is taken from the metadata of IN and from "
       "--set; where there is one, the weights are loaded into the model as a check.",
       {{.name = "to",
         .value = "NAMES",
         .help = "whose names OUT has; tessera by default",
         .one_of = {"tessera", "authors"}},
        {.name = "set",
         .value = "KEY=VALUE",
         .help = "a key of the model, as dim=64",
         .repeats = true}},
       convert},
      {"export",
       "RUN OUT",
       2,
       2,
       Complete::kRecipeOrRun,
       "A deployment bundle: configuration, weights, example and a C++ program",
       "OUT becomes a folder that `predict` and `eval` take instead of a run, with a program that "
       "loads it from C++.",
       {kData, kThreads},
       export_bundle},
      {"zoo merge",
       "RUN OUT",
       2,
       2,
       Complete::kRecipeOrRun,
       "Fold a Zoo-Tuned lite model into the plain network that it is",
       "OUT becomes a safetensors file under the names of the sources, with the network's "
       "description beside the weights: storage and time of one model. Gates that depend on the "
       "input do not fold: train with model.lite and model.downsample_lite.",
       {kWeights, kSet, kThreads},
       zoo_merge},
      {"snn convert",
       "RUN OUT",
       2,
       2,
       Complete::kRecipeOrRun,
       "Turn a trained convolutional network into a spiking one, and calibrate it",
       "Every ReLU becomes integrate-and-fire neurons; their thresholds and what --pipeline "
       "corrects "
       "come from the run's own training images. OUT becomes a folder that `eval` and `predict` "
       "take instead of a run. Networks have average pools: train with them. Weights are fitted to "
       "1024 images in batches of 32, activations to the first batch.",
       {{"steps", "T", "time steps; 32 by default"},
        {.name = "pipeline",
         .value = "NAME",
         .help = "what is corrected: biases, potentials, weights, weights and potentials; light by "
                 "default",
         .one_of = {"none", "light", "potential", "weights", "advanced"}},
        {.name = "threshold",
         .value = "RULE",
         .help = "least squared error, the maximum or a quantile of a layer; mse by default",
         .one_of = {"mse", "max", "percentile"}},
        {"percentile", "P", "the quantile of --threshold percentile, as 0.999"},
        {"channel-wise", "", "a threshold for each channel, with --threshold mse"},
        {"images", "N",
         "training images to look at; 448 by default, 1024 where weights are fitted"},
        {"iters", "N", "updates of each layer's weights; 5000 by default"},
        {.name = "split",
         .value = "SPLIT",
         .help = "which examples are classified before and after; test by default",
         .one_of = {"train", "valid", "test"}},
        kWeights,
        kSet,
        kData,
        kDtype,
        kThreads,
        kJson},
       snn_convert},
      {"data list",
       "[SYSTEM…]",
       0,
       -1,
       Complete::kSystem,
       "Data sets: where from, size, licence, and whether they are here",
       "",
       {kData, kJson},
       data_list},
      {"data get",
       "NAME…",
       1,
       -1,
       Complete::kNothing,
       "Download data sets",
       "NAME is SYSTEM/SET or SYSTEM. A download that broke off goes on where it was; sizes and "
       "SHA-256 are checked where they are known.",
       {kMirror, kData},
       data_get},
      {"data check",
       "[NAME…]",
       0,
       -1,
       Complete::kNothing,
       "Check the files of data sets against their size and SHA-256",
       "",
       {kData},
       data_check},
      {"runs list",
       "[SYSTEM]",
       0,
       1,
       Complete::kSystem,
       "The trainings of this user, newest first",
       "",
       {kStore, kJson},
       runs_list},
      {"runs show",
       "RUN",
       1,
       1,
       Complete::kFolder,
       "One training, by number or folder",
       "",
       {kStore, kJson},
       runs_show},
      {"runs compare",
       "RUN RUN",
       2,
       2,
       Complete::kFolder,
       "What differs between two trainings: configuration and metrics",
       "",
       {kStore, kJson},
       runs_compare},
      {"doctor",
       "",
       0,
       0,
       Complete::kNothing,
       "Versions, processor, threads, GPUs, and what is missing",
       "",
       {kData, kThreads, kJson},
       doctor},
      {"completions",
       "bash|zsh|fish",
       1,
       1,
       Complete::kNothing,
       "A completion script for a shell",
       "bash: source <(tessera completions bash). zsh: save as _tessera in a folder of $fpath. "
       "fish: tessera completions fish | source.",
       {},
       completions},
      {"man",
       "",
       0,
       0,
       Complete::kNothing,
       "The manual page, as roff",
       "tessera man | man -l - shows it.",
       {},
       man},
      {"version",
       "",
       0,
       0,
       Complete::kNothing,
       "The version of Tessera and of torch",
       "",
       {},
       version},
  };
}

/// The nearest verb to what was typed, with its group where it has one.
[[noreturn]] void refuse_verb(const std::string& typed, std::string_view group) {
  std::vector<std::string> known;
  for (const Verb& verb : verbs()) {
    if (group.empty() || group_of(verb) == group) known.emplace_back(verb.name);
  }
  fail<InvalidArgument>(
      {.where = "tessera",
       .rule = typed == group ? "\"" + typed + "\" needs a second word"
                              : "unknown verb \"" + typed + "\"",
       .next = typed == group ? "Known: " + join(known, ", ") + "." : did_you_mean(typed, known),
       .id = "T-CLI-01"});
}

}  // namespace

std::span<const Verb> verbs() {
  static const std::vector<Verb> table = make_verbs();
  return table;
}

std::vector<Option> shown_options(const Verb& verb) {
  std::vector<Option> shown;
  for (const Option& option : verb.options) {
    if (!option.help.empty()) shown.push_back(option);
  }
  return shown;
}

std::string_view group_of(const Verb& verb) {
  const size_t space = verb.name.find(' ');
  return space == std::string_view::npos ? std::string_view() : verb.name.substr(0, space);
}

const Verb& take_verb(std::vector<std::string>& words) {
  const std::string first = words.at(0);
  const std::string both = words.size() > 1 ? first + " " + words[1] : first;
  std::string_view group;
  for (const Verb& verb : verbs()) {
    const bool is_pair = verb.name == both;
    if (is_pair || verb.name == first) {
      words.erase(words.begin(), words.begin() + (group_of(verb).empty() ? 1 : 2));
      return verb;
    }
    if (group_of(verb) == first) group = group_of(verb);
  }
  refuse_verb(group.empty() ? first : both, group);
}

}  // namespace tessera::cli
