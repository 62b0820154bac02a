#include "tessera/cases/runner.h"

#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <filesystem>

#include "tessera/cases/case_model.h"
#include "tessera/cases/trace.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::cases {
namespace {

/// A copy that gradients can be asked of; integers and bools stay what they are.
at::Tensor leaf(const at::Tensor& tensor, at::Device device) {
  at::Tensor copy = tensor.to(device, /*non_blocking=*/false, /*copy=*/true);
  return copy.is_floating_point() ? copy.requires_grad_() : copy;
}

/// Σ output·cotangent over the outputs that have one; undefined where none depends on a leaf.
at::Tensor cotangent_sum(const TensorMap& outputs, const CaseFile& it, at::Device device) {
  at::Tensor sum;
  for (const auto& [name, cotangent] : it.cotangents) {
    const at::Tensor& output = outputs.at(name);
    if (output.sizes() != cotangent.sizes()) {
      fail<InvalidArgument>({.where = "case",
                             .rule = it.path + ": cotangent/" + name + " has the output's shape " +
                                     c10::str(output.sizes()),
                             .got = c10::str(cotangent.sizes()),
                             .id = "T-CASE-05"});
    }
    if (!output.requires_grad()) continue;
    const at::Tensor term = (output * cotangent.to(device)).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

/// The gradients of `scalar` for those of the leaves that it reaches, under the leaves' names.
TensorMap gradients(const at::Tensor& scalar, const TensorMap& leaves) {
  TensorMap reached;
  std::vector<std::string> names;
  std::vector<at::Tensor> wanted;
  for (const auto& [name, tensor] : leaves) {
    if (!tensor.requires_grad()) continue;
    names.push_back(name);
    wanted.push_back(tensor);
  }
  if (!scalar.defined() || wanted.empty()) return reached;
  const auto found = torch::autograd::grad({scalar}, wanted, /*grad_outputs=*/{},
                                           /*retain_graph=*/false, /*create_graph=*/false,
                                           /*allow_unused=*/true);
  for (size_t i = 0; i < names.size(); ++i) {
    if (found[i].defined()) reached.set(names[i], found[i]);
  }
  return reached;
}

/// The system's own way of running cases of a kind: a procedure of the kind's name, for cases whose
/// layout is their own. nullptr: the generic way.
const Procedure* own_runner(const CaseFile& it) {
  for (const Procedure& known : it.system->procedures) {
    if (it.kind != Kind::kProcedure && known.name == name_of(it.kind)) return &known;
  }
  return nullptr;
}

/// It gets every tensor of the case under its prefix, inputs without, and answers with outputs and,
/// under grad/ and grad_input/, gradients.
TensorMap run_own(const Procedure& procedure, const CaseFile& it, at::Device device) {
  TensorMap given;
  for (const auto& [name, tensor] : it.inputs) given.set(name, tensor.to(device));
  for (const auto& [prefix, tensors] : {std::pair("weight/", &it.weights),
                                        {"buffer/", &it.buffers},
                                        {"cotangent/", &it.cotangents}}) {
    for (const auto& [name, tensor] : *tensors) given.set(prefix + name, tensor.to(device));
  }
  Json config = it.config;
  if (it.kind == Kind::kTrace) config["train"] = it.train;
  TensorMap result;
  for (const auto& [name, tensor] : procedure.run(config, given)) {
    const bool is_gradient = name.starts_with("grad/") || name.starts_with("grad_input/");
    result.set(is_gradient ? name : "output/" + name, tensor);
  }
  return result;
}

TensorMap run_forward(const CaseFile& it, at::Device device) {
  const CaseModel model = make_case_model(it, device);
  TensorMap inputs, weights;
  for (const auto& [name, tensor] : it.inputs) inputs.set(name, leaf(tensor, device));
  for (const auto& item : model.module->named_parameters()) weights.set(item.key(), item.value());

  const TensorMap outputs = model.module->run(inputs);
  const at::Tensor scalar = cotangent_sum(outputs, it, device);
  TensorMap leaves = weights.prefixed("grad/");
  leaves.merge(inputs.prefixed("grad_input/"));
  TensorMap reached = gradients(scalar, leaves);

  TensorMap result;
  for (const auto& [name, tensor] : outputs) {
    result.set(name.starts_with("buffer/") ? name : "output/" + name, tensor);
  }
  result.merge(model.to_authors(reached.with_prefix("grad/")).prefixed("grad/"));
  for (const auto& [name, tensor] : inputs) {
    // Every floating input has a gradient in the result; what nothing depends on has that of zero.
    if (!scalar.defined() || !tensor.requires_grad()) continue;
    const std::string key = "grad_input/" + name;
    result.set(key, reached.contains(key) ? reached.at(key) : at::zeros_like(tensor));
  }
  return result;
}

TensorMap run_procedure(const CaseFile& it, at::Device device) {
  const Procedure* procedure = nullptr;
  std::vector<std::string> names;
  for (const Procedure& known : it.system->procedures) {
    names.push_back(known.name);
    if (known.name == it.procedure) procedure = &known;
  }
  if (!procedure) {
    fail<Unsupported>(
        {.where = "case",
         .rule = it.path + ": " + it.system->name + " has no procedure \"" + it.procedure + "\"",
         .next = did_you_mean(it.procedure, names),
         .id = "T-CASE-04"});
  }
  // Without cotangents nothing is differentiated, and a procedure may use what autograd forbids.
  const bool is_differentiated = !it.cotangents.empty();
  const auto given = [&](const at::Tensor& tensor) {
    return is_differentiated ? leaf(tensor, device) : tensor.to(device);
  };
  TensorMap inputs, leaves;
  for (const auto& [name, tensor] : it.inputs) {
    inputs.set(name, given(tensor));
    leaves.set("grad_input/" + name, inputs.at(name));
  }
  for (const auto& [name, tensor] : it.weights) {
    inputs.set("weight/" + name, given(tensor));
    leaves.set("grad/" + name, inputs.at("weight/" + name));
  }
  for (const auto& [name, tensor] : it.buffers) inputs.set("buffer/" + name, tensor.to(device));

  const TensorMap outputs = procedure->run(it.config, inputs);
  TensorMap result = outputs.prefixed("output/");
  if (is_differentiated) result.merge(gradients(cotangent_sum(outputs, it, device), leaves));
  return result;
}

}  // namespace

TensorMap run_case(const CaseFile& it, at::Device device) {
  TensorMap computed;
  const Procedure* own = own_runner(it);
  switch (it.kind) {
    case Kind::kForward:
      computed = own ? run_own(*own, it, device) : run_forward(it, device);
      break;
    case Kind::kTrace:
      computed = own ? run_own(*own, it, device) : run_trace(it, device);
      break;
    case Kind::kProcedure:
      computed = run_procedure(it, device);
      break;
  }
  TensorMap result;
  for (const auto& [name, tensor] : computed) result.set(name, tensor.detach().to(at::kCPU));
  return result;
}

size_t CaseReport::failures() const {
  return static_cast<size_t>(std::count_if(comparisons.begin(), comparisons.end(),
                                           [](const Comparison& row) { return !row.holds; }));
}

CaseReport check_case(const std::string& path, at::Device device) {
  CaseReport report{
      .path = path, .name = std::filesystem::path(path).stem(), .it = read_case(path)};
  const auto start = std::chrono::steady_clock::now();
  const TensorMap ours = run_case(report.it, device);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.comparisons = compare(ours, report.it.recorded, report.it.rtol, report.it.atol);
  return report;
}

}  // namespace tessera::cases
