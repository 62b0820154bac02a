#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/ops/causal_convolution.h"

namespace tessera::ops {

at::Tensor causal_convolution_plain(const at::Tensor& u, const at::Tensor& kernel) {
  const int64_t length = u.size(1), reach = std::min(length, kernel.size(0));
  int64_t padded = 2;
  while (padded < length + reach - 1) padded *= 2;
  const at::Tensor u_RF = at::fft_rfft(u, padded);
  const at::Tensor k_CF = at::fft_rfft(kernel.narrow(0, 0, reach).t(), padded);
  const at::Tensor y_RCP = at::fft_irfft(u_RF.unsqueeze(1) * k_CF, padded);
  return y_RCP.narrow(2, 0, length).transpose(1, 2);
}

}  // namespace tessera::ops
