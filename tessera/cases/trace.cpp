#include "tessera/cases/trace.h"

#include <torch/types.h>

#include <charconv>
#include <optional>

#include "tessera/cases/case_model.h"
#include "tessera/core/error.h"
#include "tessera/train/losses.h"
#include "tessera/train/optimizer.h"
#include "tessera/train/schedule.h"

namespace tessera::cases {
namespace {

/// "noise_coords_12" → ("noise_coords", 12); nothing where the name does not end in a number.
std::optional<std::pair<std::string, int64_t>> split_number(const std::string& name) {
  const size_t bar = name.rfind('_');
  if (bar == std::string::npos || bar == 0 || bar + 1 == name.size()) return {};
  int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + bar + 1, end, number);
  if (result.ec != std::errc() || result.ptr != end || number < 0) return {};
  return std::pair(name.substr(0, bar), number);
}

/// What `train` of a trace says, checked.
struct TraceRules {
  int64_t steps = 0, steps_per_epoch = 1;
  Json optimizer, schedule, loss;
  double grad_clip_norm = 0;

  explicit TraceRules(const CaseFile& it) {
    const auto refuse = [&](const std::string& rule, const std::string& got) {
      fail<BadFile>(
          {.where = "case", .rule = it.path + ": " + rule, .got = got, .id = "T-CASE-06"});
    };
    const auto object = [&](const char* key, const Json& otherwise) {
      if (!it.train.contains(key)) return otherwise;
      const Json& value = it.train[key];
      if (!value.is_object()) refuse(std::string("train.") + key + " is a table", value.dump());
      return value;
    };
    const auto number = [&](const char* key, double otherwise) {
      if (!it.train.contains(key) || it.train[key].is_null()) return otherwise;
      const Json& value = it.train[key];
      if (!value.is_number()) refuse(std::string("train.") + key + " is a number", value.dump());
      return value.get<double>();
    };
    steps = static_cast<int64_t>(number("steps", 0));
    if (steps < 1) refuse("train.steps is at least 1", std::to_string(steps));
    optimizer = object("optimizer", {{"name", "adam"}});
    schedule = object("schedule", {{"name", "constant"}});
    loss = object("loss", {{"name", "mse"}});
    grad_clip_norm = number("grad_clip_norm", 0);
    const Json per_epoch = schedule.value("steps_per_epoch", Json(1));
    steps_per_epoch = per_epoch.is_number_integer() ? per_epoch.get<int64_t>() : 1;
  }

  bool is_scheduled() const { return schedule.value("name", Json("constant")) != "constant"; }
};

}  // namespace

TensorMap inputs_of_step(const TensorMap& inputs, int64_t step) {
  std::map<std::string, int64_t> counts;
  for (const auto& [name, tensor] : inputs) {
    const auto numbered = split_number(name);
    if (!numbered || counts.contains(numbered->first)) continue;
    int64_t count = 0;
    while (inputs.contains(numbered->first + "_" + std::to_string(count))) ++count;
    counts[numbered->first] = count;
  }
  TensorMap now;
  for (const auto& [name, tensor] : inputs) {
    const auto numbered = split_number(name);
    const int64_t count = numbered ? counts[numbered->first] : 0;
    if (count == 0 || numbered->second >= count) {
      now.set(name, tensor);
    } else if (numbered->second == step % count) {
      now.set(numbered->first, tensor);
    }
  }
  return now;
}

TensorMap run_trace(const CaseFile& it, at::Device device) {
  const TraceRules rules(it);
  const CaseModel model = make_case_model(it, device);
  const auto optimizer = train::Optimizer::make(rules.optimizer, *model.module);
  const double base_lr = optimizer->lr();
  const auto loss_of = [&](const TensorMap& outputs, const TensorMap& inputs) {
    return it.system->trace_loss ? it.system->trace_loss(rules.loss, outputs, inputs)
                                 : train::generic_loss(rules.loss, outputs, inputs);
  };
  TensorMap all_inputs;
  for (const auto& [name, tensor] : it.inputs) all_inputs.set(name, tensor.to(device));

  std::vector<double> losses, rates;
  bool has_logits = false;
  for (int64_t step = 0; step < rules.steps; ++step) {
    const double lr =
        train::learning_rate(rules.schedule, base_lr, step, rules.steps_per_epoch, rules.steps);
    optimizer->set_lr(lr);
    const TensorMap inputs = inputs_of_step(all_inputs, step);
    optimizer->zero_grad();
    const TensorMap outputs = model.module->run(inputs);
    has_logits = outputs.contains("logits");
    const at::Tensor loss = loss_of(outputs, inputs);
    loss.backward();
    if (rules.grad_clip_norm > 0) optimizer->clip_grad_norm(rules.grad_clip_norm);
    optimizer->step();
    // What train.constraint says is the model's own rule.
    model.module->constrain();
    losses.push_back(loss.item<double>());
    rates.push_back(lr);
  }

  TensorMap result;
  result.set("output/losses", at::tensor(losses, at::kDouble).to(it.dtype));
  if (rules.is_scheduled()) result.set("output/lr", at::tensor(rates, at::kDouble).to(it.dtype));
  result.merge(model.to_authors(weights_of(*model.module)).prefixed("output/final_weight/"));
  if (has_logits) {
    // What the trained classifier says of the first batch.
    model.module->eval();
    const at::NoGradGuard no_grad;
    result.set("output/eval_logits", model.module->run(inputs_of_step(all_inputs, 0)).at("logits"));
  }
  return result;
}

}  // namespace tessera::cases
