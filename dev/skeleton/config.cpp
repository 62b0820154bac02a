#include "tessera/systems/skeleton/config.h"

namespace tessera::skeleton {

void SkeletonConfig::fields(FieldList& list) {
  list("architecture", architecture,
       {.help = "the paper's network, or the baseline", .one_of = {"skeleton", "linear"}});
  list("in_dim", in_dim, {.help = "width of x", .min = 1});
  list("out_dim", out_dim, {.help = "width of y", .min = 1});
  list("hidden_dim", hidden_dim, {.help = "units of the hidden layer", .min = 1});
}

}  // namespace tessera::skeleton
