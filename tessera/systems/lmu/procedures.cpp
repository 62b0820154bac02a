#include "tessera/systems/lmu/procedures.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/systems/lmu/mackey_glass.h"
#include "tessera/systems/lmu/memory.h"
#include "tessera/systems/lmu/state_space.h"

namespace tessera::lmu {
namespace {

at::Tensor one(double value) { return at::full({1}, value, at::kDouble); }

/// Sums, norm, a corner and the first impulses of each system that the configuration lists.
TensorMap state_space(const Json& config, const TensorMap&) {
  constexpr int64_t kShown = 24, kImpulses = 64;
  TensorMap outputs;
  int64_t index = 0;
  for (const Json& entry : config.at("systems")) {
    const auto order = entry.at("order").get<int64_t>();
    const double theta_inv = 1 / entry.at("theta").get<double>();
    const Discretizer kind = discretizer_of(entry.value("discretizer", std::string("zoh")));
    const StateSpace continuous = delay_system(order);
    const StateSpace system = discretise(continuous, theta_inv, kind);
    const int64_t shown = std::min(order, kShown);
    const std::string prefix = std::to_string(index++) + "/";
    outputs.set(prefix + "A_corner", system.A.narrow(0, 0, shown).narrow(1, 0, shown));
    outputs.set(prefix + "A_rowsum", system.A.sum(1));
    outputs.set(prefix + "A_colsum", system.A.sum(0));
    outputs.set(prefix + "A_frobenius", one(system.A.norm().item<double>()));
    outputs.set(prefix + "B", system.B);
    outputs.set(prefix + "spectral_radius", one(spectral_radius(continuous, theta_inv, kind)));
    outputs.set(prefix + "impulse64",
                impulse_response(system, kImpulses).narrow(1, 0, shown).t().contiguous());
  }
  return outputs;
}

/// The arguments that a configuration class knows; a case may say more.
void read_known_fields(Config& config, const Json& values) {
  Json known = Json::object();
  FieldList list;
  config.fields(list);
  for (const Field& field : list.fields()) {
    if (values.contains(field.name)) known[field.name] = values[field.name];
  }
  read_config(config, known);
}

TensorMap mackey_glass_series(const Json& config, const TensorMap&) {
  MackeyGlassConfig given;
  read_known_fields(given, config);
  const MackeyGlass series = mackey_glass(given);
  return {{"x", series.x}, {"y", series.y}};
}

/// The memory of a signal at every step, and the window read back out of it.
TensorMap legendre_decode(const Json& config, const TensorMap& inputs) {
  const auto order = config.at("order").get<int64_t>();
  const auto theta = config.at("theta").get<double>();
  DelayMemory memory(order, theta, discretizer_of(config.value("discretizer", std::string("zoh"))),
                     {});
  at::Tensor u = inputs.contains("u") ? inputs.at("u") : inputs.at("x");
  // One signal may come as (T) or as a column.
  if (u.dim() == 2 && u.size(1) == 1) u = u.squeeze(1);
  const std::vector<int64_t> given = u.sizes().vec();
  u = u.dim() == 1 ? u.view({1, -1, 1}) : u.dim() == 2 ? u.unsqueeze(2) : u;
  at::Tensor fractions = inputs.get("fractions");
  if (!fractions.defined()) {
    const auto values = config.value("fractions", std::vector<double>{0, 0.25, 0.5, 0.75, 1});
    fractions = at::tensor(values, at::kDouble);
  }
  const at::Tensor decoder =
      legendre_decoder(fractions.to(at::kDouble).reshape({-1}), order).to(u.scalar_type());
  const at::Tensor m_BTN =
      memory_states(u, {}, memory.kernels(u.size(1), u.options()), Mode::kRecurrent).squeeze(2);
  const at::Tensor decoded = at::matmul(m_BTN, decoder.t());
  const bool is_single = given.size() == 1;
  return {{"m", is_single ? m_BTN.squeeze(0) : m_BTN},
          {"decoder", decoder},
          {"decoded", is_single ? decoded.squeeze(0) : decoded}};
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "state_space",
           .summary = "the discrete systems of given orders and windows",
           .run = state_space},
          {.name = "mackey_glass",
           .summary = "the chaotic series of the prediction task",
           .run = mackey_glass_series},
          {.name = "legendre_decode",
           .summary = "a signal's memory, and the window read back out of it",
           .run = legendre_decode}};
}

}  // namespace tessera::lmu
