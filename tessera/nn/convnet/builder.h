#pragma once

#include <string>

#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

struct ConvOptions {
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  bool has_bias = false;
};

/// Writes a network down layer after layer. Each call reads the layer of the one before, or the one
/// that `from` named.
class NetworkBuilder {
 public:
  NetworkBuilder(std::string name, Shape input);

  const std::string& last() const { return last_; }
  NetworkBuilder& from(const std::string& layer);

  NetworkBuilder& conv(const std::string& name, int64_t out_channels, int64_t kernel,
                       const ConvOptions& options = {});
  NetworkBuilder& linear(const std::string& name, int64_t out_features, bool has_bias = true);
  NetworkBuilder& batch_norm(const std::string& name);
  NetworkBuilder& relu(const std::string& name);
  NetworkBuilder& max_pool(const std::string& name, int64_t kernel, int64_t stride,
                           int64_t padding = 0);
  NetworkBuilder& avg_pool(const std::string& name, int64_t kernel, int64_t stride,
                           int64_t padding = 0);
  NetworkBuilder& adaptive_avg_pool(const std::string& name, int64_t output_size = 1);
  NetworkBuilder& dropout(const std::string& name, double probability);
  NetworkBuilder& flatten(const std::string& name = "flatten");
  /// The sum of the layer before and of `other`.
  NetworkBuilder& add(const std::string& name, const std::string& other);

  /// The network so far, checked.
  Network build() const;

 private:
  Layer& append(const std::string& name, LayerKind kind);

  Network network_;
  std::string last_{kInput};
};

}  // namespace tessera::nn
