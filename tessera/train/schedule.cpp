#include "tessera/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

double cosine(double lr, double min_lr, double t, double length) {
  return min_lr + (lr - min_lr) * (1 + std::cos(std::numbers::pi * t / length)) / 2;
}

}  // namespace

FieldInfo ScheduleConfig::name_info() {
  return {.help = "how the learning rate moves",
          .one_of = {"constant", "step", "multistep", "exponential", "linear", "cosine",
                     "inverse_sqrt", "spe_pop_piano"}};
}

void ScheduleConfig::fields(FieldList& list) {
  list("name", name, name_info());
  list_settings(list);
}

void ScheduleConfig::list_settings(FieldList& list) {
  list(
      "schedule_unit", unit,
      {.help = "what a schedule counts: the rate changes after each", .one_of = {"epoch", "step"}});
  list("warmup_steps", warmup_steps,
       {.help = "updates in which the rate rises to lr", .unit = "steps", .min = 0});
  list("min_lr", min_lr, {.help = "where linear and cosine end", .min = 0});
  list("gamma", gamma, {.help = "factor of step, multistep and exponential", .min = 0});
  list("step_size", step_size, {.help = "units between the drops of step", .min = 1});
  list("milestones", milestones, {.help = "units at which multistep drops", .min = 0});
  list("scheduler_steps_per_epoch", scheduler_steps_per_epoch,
       {.help = "advances of the cosine in an epoch", .min = 1});
  list("t_max", t_max, {.help = "units to the end of the decay; none: the training's", .min = 1});
}

void ScheduleConfig::validate() const {
  const auto refuse = [](const std::string& rule, const std::string& got) {
    fail<InvalidArgument>({.where = "schedule", .rule = rule, .got = got, .id = "T-SCHED-01"});
  };
  if (scheduler_steps_per_epoch > 1 && (name != "cosine" || unit != "epoch")) {
    refuse("only a cosine over epochs has scheduler_steps_per_epoch above 1", name);
  }
  if (!std::is_sorted(milestones.begin(), milestones.end())) {
    refuse("milestones ascend", Json(milestones).dump());
  }
  if (name == "spe_pop_piano" && !t_max) refuse("spe_pop_piano needs t_max", "none");
}

double learning_rate(const ScheduleConfig& schedule, double base_lr, int64_t step,
                     int64_t steps_per_epoch, int64_t total_steps) {
  const auto& [name, unit] = std::tie(schedule.name, schedule.unit);
  const int64_t warmup = schedule.warmup_steps;
  if (name == "spe_pop_piano") {
    if (step == 0) return base_lr;
    if (step < warmup) return base_lr * static_cast<double>(step) / static_cast<double>(warmup);
    return cosine(base_lr, schedule.min_lr, static_cast<double>(step - warmup),
                  static_cast<double>(*schedule.t_max));
  }
  if (name == "inverse_sqrt") {
    const double top = static_cast<double>(std::max<int64_t>(warmup, 1));
    const double now = static_cast<double>(std::max(step + 1, std::max<int64_t>(warmup, 1)));
    const double rise = warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / top) : 1.0;
    return base_lr * rise * std::sqrt(top / now);
  }

  const bool is_by_step = unit == "step";
  const int64_t count = is_by_step ? std::max<int64_t>(step - warmup, 0) : step / steps_per_epoch;
  const int64_t whole =
      is_by_step ? total_steps - warmup : (total_steps + steps_per_epoch - 1) / steps_per_epoch;
  const double u = static_cast<double>(count);
  const double length = static_cast<double>(std::max<int64_t>(schedule.t_max.value_or(whole), 1));
  double lr = base_lr;
  if (name == "step") {
    lr *= std::pow(schedule.gamma, static_cast<double>(count / schedule.step_size));
  } else if (name == "multistep") {
    const auto& milestones = schedule.milestones;
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), count);
    lr *= std::pow(schedule.gamma, static_cast<double>(passed - milestones.begin()));
  } else if (name == "exponential") {
    lr *= std::pow(schedule.gamma, u);
  } else if (name == "linear") {
    lr += (schedule.min_lr - lr) * std::min(u / length, 1.0);
  } else if (name == "cosine") {
    const auto passes = static_cast<double>(schedule.scheduler_steps_per_epoch);
    lr = cosine(lr, schedule.min_lr, passes > 1 ? passes * u + 1 : u, length);
  }
  if (step < warmup) lr *= static_cast<double>(step + 1) / static_cast<double>(warmup);
  return lr;
}

double learning_rate(const Json& spec, double base_lr, int64_t step, int64_t steps_per_epoch,
                     int64_t total_steps) {
  Json settings = Json::object();
  for (const auto& [key, value] : spec.items()) {
    if (key == "steps_per_epoch") {
      steps_per_epoch = value.get<int64_t>();
    } else {
      settings[key == "epochs"    ? "t_max"
               : key == "eta_min" ? "min_lr"
               : key == "unit"    ? "schedule_unit"
                                  : key] = value;
    }
  }
  ScheduleConfig schedule;
  read_config(schedule, settings, "schedule");
  return learning_rate(schedule, base_lr, step, steps_per_epoch, total_steps);
}

}  // namespace tessera::train
