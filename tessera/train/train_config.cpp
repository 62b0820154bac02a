#include "tessera/train/train_config.h"

#include "tessera/core/error.h"

namespace tessera::train {

void TrainConfig::fields(FieldList& list) {
  list("steps", steps, {.help = "updates to train for, instead of epochs", .min = 1});
  list("epochs", epochs, {.help = "passes over the training split, instead of steps", .min = 1});
  list("batch_size", batch_size, {.help = "examples in a batch", .min = 1});
  list("eval_batch_size", eval_batch_size,
       {.help = "examples in a batch of an evaluation; 0: batch_size", .min = 0});
  list("accumulate", accumulate, {.help = "batches whose mean gradient makes an update", .min = 1});
  list("shuffle", shuffle, {.help = "a new order of the examples in every epoch"});
  list("drop_last", drop_last, {.help = "leave out an epoch's last batch if it is not full"});
  list("seed", seed, {.help = "of initialisation, order and noise", .min = 0});

  list("optimizer", optimizer.name, OptimizerConfig::name_info());
  optimizer.list_settings(list);
  list("grad_clip_norm", grad_clip_norm,
       {.help = "largest Euclidean norm of all gradients together; 0: no limit", .min = 0});
  list("ema_decay", ema_decay,
       {.help = "evaluate a moving average of the weights with this decay; 0: the weights",
        .min = 0,
        .max = 1});
  list("schedule", schedule.name, ScheduleConfig::name_info());
  schedule.list_settings(list);

  list("evaluate_every", evaluate_every,
       {.help = "epochs between evaluations; 0: only after the last update",
        .unit = "epochs",
        .min = 0});
  list("evaluate_every_steps", evaluate_every_steps,
       {.help = "updates between evaluations; above 0 it takes the place of evaluate_every",
        .unit = "steps",
        .min = 0});
  list("early_stop_patience", early_stop_patience,
       {.help = "evaluations without a better validation value before training stops; 0: never",
        .min = 0});
  list("log_every", log_every,
       {.help = "updates between the lines of loss in metrics.jsonl; 0: an epoch",
        .unit = "steps",
        .min = 0});
  list("checkpoint_every", checkpoint_every,
       {.help = "updates between checkpoints; 0: only after the last", .unit = "steps", .min = 0});
  list("keep_checkpoints", keep_checkpoints,
       {.help = "newest checkpoints that are kept; 0: all", .min = 0});
}

void TrainConfig::validate() const {
  if (steps.has_value() == epochs.has_value()) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "a training has either train.steps or train.epochs",
                           .got = steps ? "both" : "neither",
                           .next = "Give one of them.",
                           .id = "T-TRAIN-01"});
  }
  if (ema_decay >= 1) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "train.ema_decay is below 1",
                           .got = "1",
                           .next = "An average that never moves learns nothing.",
                           .id = "T-TRAIN-02"});
  }
  optimizer.validate();
  schedule.validate();
}

void RunConfig::fields(FieldList& list) {
  list("device", device, {.help = "cpu, cuda or cuda:N"});
  list("dtype", dtype,
       {.help = "of parameters and batches; bfloat16 keeps them in float32 and autocasts the "
                "forward pass of training, evaluation and prediction",
        .one_of = {"float32", "float64", "bfloat16"}});
  list("threads", threads, {.help = "within an operator; 0: all cores", .min = 0, .max = 4096});
  list("prefetch", prefetch,
       {.help = "training batches that a thread of its own makes ahead; 0: none",
        .unit = "batches",
        .min = 0,
        .max = 64});
  list("deterministic", deterministic, {.help = "only algorithms that give equal bits every time"});
}

void ExpectConfig::fields(FieldList& list) {
  list("metric", metric, {.help = "metric of the test split; empty: nothing is expected"});
  list("value", value, {.help = "what it should reach"});
  list("tolerance", tolerance, {.help = "how far from it is still right", .min = 0});
  list("source", source, {.help = "who says so: \"Table 2\""});
}

void ExpectConfig::validate() const {
  if (metric.empty() == value.has_value()) {
    fail<InvalidArgument>({.where = "expect",
                           .rule = "expect.metric and expect.value come together",
                           .got = metric.empty() ? "a value alone" : "a metric alone",
                           .id = "T-TRAIN-03"});
  }
}

}  // namespace tessera::train
